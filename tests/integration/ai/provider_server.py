"""A real HTTP server that sends the given replies, also invalid ones, and records the requests."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Reply = Callable[[asyncio.StreamWriter], Awaitable[bool]]
"""Writes a response and returns whether the connection stays open."""


@dataclass
class ReceivedRequest:
    """One request that the server received."""

    path: str
    headers: dict[str, str]
    body: dict
    content: bytes = b""


@dataclass
class ProviderServer:
    """Sends `replies` in order and repeats the last one; `choose` picks the reply by the request instead."""

    replies: list[Reply] = field(default_factory=list)
    requests: list[ReceivedRequest] = field(default_factory=list)
    choose: "Callable[[ReceivedRequest], Reply] | None" = None
    connections: int = 0
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in head[1:] if line)}
                body = await reader.readexactly(int(headers["content-length"]))
                request = ReceivedRequest(head[0].split()[1], headers, json.loads(body), body)
                self.requests.append(request)
                if not await self._reply_to(request)(writer):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _reply_to(self, request: ReceivedRequest) -> Reply:
        if self.choose is not None:
            return self.choose(request)
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


@asynccontextmanager
async def provider_server() -> AsyncIterator[ProviderServer]:
    server = ProviderServer()
    tasks = set()

    async def connected(reader, writer):
        tasks.add(asyncio.current_task())
        await server.serve(reader, writer)

    listening = await asyncio.start_server(connected, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"
    try:
        yield server
    finally:
        listening.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def raw(data: bytes, *, then_close: bool = True, after: float = 0.0) -> Reply:
    async def reply(writer):
        await asyncio.sleep(after)
        writer.write(data)
        await writer.drain()
        return not then_close

    return reply


def http(
    status: int, body: bytes, headers: str = "", *, after: float = 0.0, then_close: bool = False
) -> Reply:
    head = f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\n{headers}\r\n"
    return raw(head.encode() + body, then_close=then_close, after=after)


def failing(status: int, error: object, headers: str = "") -> Reply:
    return http(status, json.dumps(error).encode(), headers)


def chat(content: object, /, *, after: float = 0.0, then_close: bool = False, **changes: object) -> Reply:
    """Return a chat completion; `changes` replace fields of its choice or its message."""
    text = content if isinstance(content, str) else json.dumps(content)
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    for name, value in changes.items():
        (choice if name in choice else message)[name] = value
    body = {"choices": [choice], "usage": {"prompt_tokens": 100, "completion_tokens": 10}}
    return http(200, json.dumps(body).encode(), after=after, then_close=then_close)


def claude(content: object, stop_reason: str = "end_turn") -> Reply:
    text = content if isinstance(content, str) else json.dumps(content)
    body = {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "text", "text": text}],
        "stop_reason": stop_reason,
        "usage": {"input_tokens": 100, "output_tokens": 10},
    }
    return http(200, json.dumps(body).encode())


async def hanging(_writer: asyncio.StreamWriter) -> bool:
    """Never answer."""
    await asyncio.sleep(3600)
    return False


async def dripping(writer: asyncio.StreamWriter) -> bool:
    """Send one byte at a time, each within the read timeout."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.01)


async def endless(writer: asyncio.StreamWriter) -> bool:
    """Send a response without an end."""
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"100000\r\n" + b" " * 0x100000 + b"\r\n")
        await writer.drain()
