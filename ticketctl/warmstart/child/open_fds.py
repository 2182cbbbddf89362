"""Open file descriptors, and which of them are connections to other processes."""

import contextlib
import os
import re
import select
import socket
import stat
from collections.abc import Iterator
from typing import Any, NamedTuple

from .allocation_sites import AllocationSites, descriptor_name

FOLDERS = ("/proc/self/fd", "/dev/fd")
NUMBERED = re.compile(r"^(socket|pipe):\[\d+\]$")
"""The kernel's name for a descriptor without a path; the number differs for each."""


class OpenFd(NamedTuple):
    """An open descriptor: the peer's address if it is a connection, what it is, and the line that opened it."""

    number: int
    peer: str | None
    what: str
    line: str | None


def list_descriptors() -> set[int]:
    """Return the numbers of the descriptors that are open."""
    folder = next(folder for folder in FOLDERS if os.path.isdir(folder))  # noqa: PTH112 pathlib costs its import
    return {number for number in map(int, os.listdir(folder)) if _is_open(number)}  # noqa: PTH208 as above


def list_open_fds(ignored: set[int], sites: AllocationSites) -> list[OpenFd]:
    """Describe every open descriptor except those that are `ignored`."""
    return [_describe(number, sites) for number in sorted(list_descriptors() - ignored)]


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:  # the descriptor with which the folder was listed
        return False
    return True


def _describe(number: int, sites: AllocationSites) -> OpenFd:
    if peer := peer_of(number):
        return OpenFd(number, peer, f"a connection to {peer}", sites.of_socket(number).line)
    path = descriptor_name(number)
    line = sites.line_of_file(path) or sites.line_of_descriptor(number)
    return OpenFd(number, None, NUMBERED.sub(r"a \1", path), line)


def peer_of(number: int) -> str | None:
    """Return the peer's address; None for what is not a socket, not connected, or one of a socket pair."""
    with contextlib.suppress(OSError):
        if stat.S_ISSOCK(os.fstat(number).st_mode):
            with borrow_socket(number) as connection:
                return format_address(connection.getpeername())
    return None


@contextlib.contextmanager
def borrow_socket(number: int) -> Iterator[socket.socket]:
    """Lend a socket object for a descriptor that belongs to the handler, and leave the descriptor open.

    Raises OSError if it is not a socket any more: the handler's threads may close it at any time.
    """
    connection = socket.socket(fileno=number)
    try:
        yield connection
    finally:
        connection.detach()


def format_address(peer: Any) -> str | None:
    """Format a socket address as `host:port`, `[host]:port` or `unix:path`; None for that of a socket pair."""
    if isinstance(peer, bytes):
        peer = peer.decode(errors="replace")
    if isinstance(peer, str):
        return f"unix:{peer}" if peer else None
    if isinstance(peer, tuple) and len(peer) > 1:
        host = f"[{peer[0]}]" if ":" in str(peer[0]) else peer[0]
        return f"{host}:{peer[1]}"
    return None


class ConnectionCutter:
    """Breaks connections from inside the process, in the two ways in which they break during a freeze.

    Closed by the peer: the next read returns nothing and the next write fails. shutdown(2) on the own socket has the
    same effects, so no proxy is needed, and encrypted connections can be cut as well. Silent: the descriptor is
    replaced by a connection to a socket that never answers.
    """

    def __init__(self) -> None:
        self._silent_peers: list[socket.socket] = []

    def cut(self, connections: list[int], *, silently: bool) -> None:
        """Cut the connections with these descriptors."""
        for number in connections:
            with contextlib.suppress(OSError):  # a thread of the handler has closed it
                if silently:
                    self._silence(number)
                else:
                    with borrow_socket(number) as connection:
                        connection.shutdown(socket.SHUT_RDWR)

    def _silence(self, number: int) -> None:
        watchers = list(_epoll_watchers(number))
        peer, replacement = _make_pair(number)
        replacement.setblocking(os.get_blocking(number))
        os.dup2(replacement.fileno(), number, inheritable=False)
        replacement.close()
        self._silent_peers.append(peer)
        # epoll drops a descriptor when its socket is closed, as dup2 does; event loops must not notice the change
        for watcher, events in watchers:
            with select.epoll.fromfd(os.dup(watcher)) as epoll:
                epoll.register(number, events)


def _make_pair(number: int) -> tuple[socket.socket, socket.socket]:
    """Return two connected sockets of the descriptor's family, as getpeername() may be called on them."""
    with borrow_socket(number) as original:
        family = original.family
    if family == socket.AF_UNIX:
        return socket.socketpair()
    with socket.create_server(("127.0.0.1", 0)) as server:
        peer = socket.create_connection(server.getsockname())
        return peer, server.accept()[0]


def _epoll_watchers(number: int) -> Iterator[tuple[int, int]]:
    """Yield the epoll descriptors that watch a descriptor, and for which events (Linux, proc_pid_fdinfo(5))."""
    for watcher in list_descriptors():
        if descriptor_name(watcher) == "anon_inode:[eventpoll]":
            with open(f"/proc/self/fdinfo/{watcher}", encoding="ascii") as watched:  # noqa: PTH123 as above
                for line in watched:
                    words = line.split()
                    if words[0] == "tfd:" and int(words[1]) == number:
                        yield watcher, int(words[3], 16)
