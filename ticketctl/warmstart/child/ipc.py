"""One message on a socket: four bytes of length, most significant first, then JSON in ASCII."""

import json
import socket
from typing import Any, Literal, TypedDict

HEADER = 4
"""Bytes that tell a message's length."""

Message = dict[str, Any]
Look = Literal["nowhere", "connections", "everywhere"]
"""What an environment tells of itself after each invocation: nothing, its connections, or all that a census finds."""


class LifecycleEvent(TypedDict):
    """The event loops and connections that one invocation, or the import, made and left.

    `loops`: numbers of the event loops that were made in it; `open`: of those that are not closed after it.
    `opened`: the connections that it opened, each with the number of the loop that ran then, null outside of any;
    `held`: those that are open after it. A connection that a C library opened is known by its descriptor only: it has
    a negative number, and its loop is not known. Nor is a loop known that only C code created.
    """

    loops: list[int]
    open: list[int]
    opened: list[tuple[int, int | None]]
    held: list[int]


def pack(message: Message) -> bytes:
    """Return the message as it travels."""
    body = json.dumps(message).encode()
    return len(body).to_bytes(HEADER, "big") + body


def send(channel: socket.socket, message: Message) -> None:
    """Write one message. Raises OSError where nobody reads any more."""
    channel.sendall(pack(message))


def receive(channel: socket.socket) -> Message | None:
    """Wait for one message; None where the other side is gone."""
    header = _exactly(channel, HEADER)
    if header is None:
        return None
    body = _exactly(channel, int.from_bytes(header, "big"))
    return None if body is None else json.loads(body)


def receive_with_descriptors(channel: socket.socket, limit: int) -> tuple[Message | None, list[int]]:
    """As `receive`, with up to `limit` open descriptors that came along with the message."""
    header, descriptors, _, _ = socket.recv_fds(channel, HEADER, limit)
    if len(header) < HEADER:
        return None, descriptors
    body = _exactly(channel, int.from_bytes(header, "big"))
    return (None if body is None else json.loads(body)), descriptors


def written(body: bytes) -> Any:
    """Read JSON as text that can be written: half a surrogate pair, which UTF-8 cannot say, becomes a question mark."""
    said = json.loads(body)
    if b"\\ud" in body.lower():
        said = json.loads(json.dumps(said, ensure_ascii=False).encode("utf-8", "replace"))
    return said


def _exactly(channel: socket.socket, size: int) -> bytes | None:
    data = bytearray()
    while len(data) < size:
        piece = channel.recv(size - len(data))
        if not piece:
            return None
        data += piece
    return bytes(data)
