"""The parent's end of a socket to a child, for asyncio; the messages are those of `child.wire`."""

import asyncio
import socket

from ticketctl.warmstart.child import ipc
from ticketctl.warmstart.child.ipc import Message


class Channel:
    """Sends orders and awaits answers. Owns the socket."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)  # noqa: FBT003 the standard library's signature
        self._socket = end

    async def ask(self, order: Message, descriptors: tuple[int, ...] = ()) -> Message | None:
        """Send an order, with descriptors if any, and return the answer; None where the child is gone."""
        loop = asyncio.get_running_loop()
        data = ipc.pack(order)
        try:
            if descriptors:
                sent = socket.send_fds(self._socket, [data[: ipc.HEADER]], descriptors)
                data = data[sent:]
            await loop.sock_sendall(self._socket, data)
            size = int.from_bytes(await self._exactly(ipc.HEADER), "big")
            answer: Message = ipc.written(await self._exactly(size))
        except (BrokenPipeError, ConnectionResetError, EOFError):
            return None
        return answer

    async def _exactly(self, size: int) -> bytes:
        loop = asyncio.get_running_loop()
        data = bytearray()
        while len(data) < size:
            piece = await loop.sock_recv(self._socket, size - len(data))
            if not piece:
                raise EOFError
            data += piece
        return bytes(data)

    def close(self) -> None:
        """Close the socket; the child takes it as the order to end."""
        self._socket.close()
