"""What the process holds open: descriptors, and those of them that are connections to somewhere else."""

import contextlib
import os
import socket
import stat
from typing import Any, NamedTuple

FOLDERS = ("/proc/self/fd", "/dev/fd")


class Held(NamedTuple):
    """Numbers of the descriptors that are open, and of those the connected sockets."""

    descriptors: set[int]
    connections: set[int]


def held() -> Held:
    """Look at every open descriptor. The looking's own is not counted."""
    open_now = {number for number in _listed() if _is_open(number)}
    return Held(open_now, {number for number in open_now if _peer(number) is not None})


def _listed() -> list[int]:
    folder = next(folder for folder in FOLDERS if os.path.isdir(folder))  # noqa: PTH112 pathlib is not loaded for this
    return [int(name) for name in os.listdir(folder)]  # noqa: PTH208 as above


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _peer(number: int) -> str | None:
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
