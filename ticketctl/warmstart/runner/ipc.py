"""The laboratory's end of the socket to a child process, for asyncio. `child.ipc` has the forms of the messages."""

import asyncio
import socket
from typing import Any

from ticketctl.warmstart.child import ipc
from ticketctl.warmstart.child.ipc import Message


class Channel:
    """Sends requests and awaits their answers. Owns the socket."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)  # noqa: FBT003 the standard library's signature
        self._socket = end

    async def ask(self, request: Message, descriptors: tuple[int, ...] = ()) -> Any:
        """Send a request, with descriptors if any, and return the answer; None where the child has ended."""
        loop = asyncio.get_running_loop()
        data = ipc.pack(request)
        try:
            if descriptors:
                # descriptors travel with the first bytes only
                sent = socket.send_fds(self._socket, [data[: ipc.HEADER_BYTES]], descriptors)
                data = data[sent:]
            await loop.sock_sendall(self._socket, data)
            size = int.from_bytes(await self._receive_exactly(ipc.HEADER_BYTES), "big")
            return ipc.parse(await self._receive_exactly(size))
        except (BrokenPipeError, ConnectionResetError, EOFError):
            return None

    async def _receive_exactly(self, size: int) -> bytes:
        loop = asyncio.get_running_loop()
        data = bytearray()
        while len(data) < size:
            piece = await loop.sock_recv(self._socket, size - len(data))
            if not piece:
                raise EOFError
            data += piece
        return bytes(data)

    def is_closed(self) -> bool:
        """Whether the child has closed its end, as the kernel does when the child dies."""
        try:
            return not self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def close(self) -> None:
        """Close the socket, which makes the child end."""
        self._socket.close()
