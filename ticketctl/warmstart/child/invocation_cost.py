"""What one invocation uses: connections, bytes on them, and threads."""

import socket
import struct
from typing import Any

from .allocation_sites import AllocationSites
from .ipc import InvocationCost, LifecycleEvent
from .open_fds import OpenFd, borrow_socket

BYTES_SENT, BYTES_RECEIVED = 200, 128
"""Offsets of two 64-bit counters in struct tcp_info (linux/tcp.h), which only grows at its end."""
INFO_SIZE = 208


class CostRecorder:
    """Adds up the bytes of all TCP connections: those of the closed ones at their close, from the kernel's counters."""

    def __init__(self, sites: AllocationSites) -> None:
        self._sites = sites
        self._closed = (0, 0)
        self._before = (0, 0)
        self._threads_before = 0
        original = socket.socket.close

        def close(one: socket.socket) -> None:
            if one.fileno() != -1:
                self._closed = _add(self._closed, _count_bytes(one))
            original(one)

        socket.socket.close = close  # type: ignore[method-assign,assignment]

    def take(self, lifecycle: LifecycleEvent, open_fds: list[OpenFd]) -> InvocationCost:
        """Return what was used since the last call."""
        total = self._closed
        for fd in open_fds:
            if fd.peer:
                total = _add(total, count_bytes_of_descriptor(fd.number))
        sent, received = total[0] - self._before[0], total[1] - self._before[1]
        threads = self._sites.threads_started - self._threads_before
        self._before, self._threads_before = total, self._sites.threads_started
        return {
            "connections": len(lifecycle["opened"]),
            "bytes_sent": max(0, sent),
            "bytes_received": max(0, received),
            "threads": threads,
        }


def _add(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    return one[0] + other[0], one[1] + other[1]


def count_bytes_of_descriptor(number: int) -> tuple[int, int]:
    """Return the bytes sent and received on an open descriptor; zeros for what is no TCP connection any more."""
    try:
        with borrow_socket(number) as connection:
            return _count_bytes(connection)
    except OSError:  # a thread of the handler has closed it
        return 0, 0


def _count_bytes(connection: Any) -> tuple[int, int]:
    """Return the bytes sent and received; zeros for what is no TCP connection, or where the kernel does not count."""
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    except (OSError, AttributeError):
        return 0, 0
    if len(info) < INFO_SIZE:
        return 0, 0
    return struct.unpack_from("Q", info, BYTES_SENT)[0], struct.unpack_from("Q", info, BYTES_RECEIVED)[0]
