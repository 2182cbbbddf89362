"""What the process holds open: descriptors, and those of them that are connections to somewhere else."""

import contextlib
import os
import socket
import stat
from typing import Any, NamedTuple

from .sites import Sites

FOLDERS = ("/proc/self/fd", "/dev/fd")


class Holding(NamedTuple):
    """An open descriptor: the far end's address if it is a connection, what it is, and the line that opened it."""

    number: int
    peer: str | None
    what: str
    line: str | None


def descriptors() -> set[int]:
    """Return the numbers of the descriptors that are open."""
    folder = next(folder for folder in FOLDERS if os.path.isdir(folder))  # noqa: PTH112 pathlib costs its import
    return {number for number in map(int, os.listdir(folder)) if _is_open(number)}  # noqa: PTH208 as above


def holdings(before: set[int], sites: Sites) -> list[Holding]:
    """Describe every open descriptor that was not open before."""
    return [_describe(number, sites) for number in sorted(descriptors() - before)]


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:  # the one that listed the folder
        return False
    return True


def _describe(number: int, sites: Sites) -> Holding:
    if peer := peer_of(number):
        return Holding(number, peer, f"a connection to {peer}", sites.of(number).line)
    path = _path(number)
    return Holding(number, None, path, sites.of_file(path))


def _path(number: int) -> str:
    with contextlib.suppress(OSError):
        return os.readlink(f"/proc/self/fd/{number}")  # noqa: PTH115 as above
    return "a descriptor"


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


class Cutter:
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
        kept, given = socket.socketpair()
        given.setblocking(os.get_blocking(number))
        os.dup2(given.fileno(), number, inheritable=False)
        given.close()
        self._silent.append(kept)
