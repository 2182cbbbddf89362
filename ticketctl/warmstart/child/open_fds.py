"""What the process holds open: descriptors, and those of them that are connections to somewhere else."""

import contextlib
import os
import re
import select
import socket
import stat
from collections.abc import Iterator
from typing import Any, NamedTuple

from .allocation_sites import AllocationSites, name_of

FOLDERS = ("/proc/self/fd", "/dev/fd")
NUMBERED = re.compile(r"^(socket|pipe):\[\d+\]$")
"""What the kernel calls a descriptor that has no name, each by a number of its own."""


class OpenFd(NamedTuple):
    """An open descriptor: the far end's address if it is a connection, what it is, and the line that opened it."""

    number: int
    peer: str | None
    what: str
    line: str | None


def descriptors() -> set[int]:
    """Return the numbers of the descriptors that are open."""
    folder = next(folder for folder in FOLDERS if os.path.isdir(folder))  # noqa: PTH112 pathlib costs its import
    return {number for number in map(int, os.listdir(folder)) if _is_open(number)}  # noqa: PTH208 as above


def list_open_fds(before: set[int], sites: AllocationSites) -> list[OpenFd]:
    """Describe every open descriptor that was not open before."""
    return [_describe(number, sites) for number in sorted(descriptors() - before)]


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:  # the one that listed the folder
        return False
    return True


def _describe(number: int, sites: AllocationSites) -> OpenFd:
    if peer := peer_of(number):
        return OpenFd(number, peer, f"a connection to {peer}", sites.of(number).line)
    path = name_of(number)
    line = sites.of_file(path) or sites.of_descriptor(number)
    return OpenFd(number, None, NUMBERED.sub(r"a \1", path), line)


def peer_of(number: int) -> str | None:
    """Return the far end's address; None for what is no socket, or talks to nobody outside this process."""
    with contextlib.suppress(OSError):
        if stat.S_ISSOCK(os.fstat(number).st_mode):
            connection = socket.socket(fileno=number)
            try:
                return address(connection.getpeername())
            finally:
                connection.detach()
    return None


def address(peer: Any) -> str | None:
    """Put a socket's address as `host:port`, `[host]:port` or `unix:path`; a socket pair has none."""
    if isinstance(peer, bytes):
        peer = peer.decode(errors="replace")
    if isinstance(peer, str):
        return f"unix:{peer}" if peer else None
    if isinstance(peer, tuple) and len(peer) > 1:
        host = f"[{peer[0]}]" if ":" in str(peer[0]) else peer[0]
        return f"{host}:{peer[1]}"
    return None


class ConnectionCutter:
    """Cuts connections as a far end would while the process is frozen.

    What a far end's close does to a socket (the next read ends, the next write fails) is what shutting it down
    here does, so that no proxy has to stand between, and encrypted connections are cut as well. A silent death is a
    descriptor at whose other end nobody ever answers.
    """

    def __init__(self) -> None:
        self._silent: list[socket.socket] = []

    def cut(self, connections: list[int], *, silently: bool) -> None:
        """Cut the connections with these descriptors."""
        for number in connections:
            if silently:
                self._silence(number)
            else:
                connection = socket.socket(fileno=number)
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
                connection.detach()

    def _silence(self, number: int) -> None:
        watchers = list(_watchers(number))
        kept, given = _pair(number)
        given.setblocking(os.get_blocking(number))
        os.dup2(given.fileno(), number, inheritable=False)
        given.close()
        self._silent.append(kept)
        # the kernel forgets what is watched when the old socket goes; event loops must not notice
        for watcher, events in watchers:
            with select.epoll.fromfd(os.dup(watcher)) as epoll:
                epoll.register(number, events)


def _pair(number: int) -> tuple[socket.socket, socket.socket]:
    """Make two connected sockets; where the descriptor's own talks to a network, these have addresses as well."""
    original = socket.socket(fileno=number)
    family = original.family
    original.detach()
    if family == socket.AF_UNIX:
        return socket.socketpair()
    with socket.create_server(("127.0.0.1", 0)) as server:
        kept = socket.create_connection(server.getsockname())
        return kept, server.accept()[0]


def _watchers(number: int) -> Iterator[tuple[int, int]]:
    """Yield the epoll descriptors that watch a descriptor, and for which events (Linux, proc_pid_fdinfo(5))."""
    for watcher in descriptors():
        if name_of(watcher) == "anon_inode:[eventpoll]":
            with open(f"/proc/self/fdinfo/{watcher}", encoding="ascii") as watched:  # noqa: PTH123 as above
                for line in watched:
                    words = line.split()
                    if words[0] == "tfd:" and int(words[1]) == number:
                        yield watcher, int(words[3], 16)
