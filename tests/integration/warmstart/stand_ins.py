"""Stand-in servers for the corpus: each speaks as much of a protocol as one small request of a client needs."""

import asyncio
import contextlib
import json
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

Speak = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
CHAT = {
    "id": "c1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "billing"}}
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}
MESSAGE = {
    "id": "m1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": "billing"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 1, "output_tokens": 1},
}
INFO = {"name": "es", "version": {"number": "9.0.0"}, "tagline": "You Know, for Search"}


@asynccontextmanager
async def serve(speak: Speak) -> AsyncIterator[int]:
    """Serve a protocol on a port of the loopback interface."""

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await speak(reader, writer)
        writer.close()

    server = await asyncio.start_server(connect, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def speak_json(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer as OpenAI's, Anthropic's and Elasticsearch's APIs do, and accept everything else."""
    while True:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        if "chunked" in headers.get("transfer-encoding", ""):
            await reader.readuntil(b"0\r\n\r\n")
        await reader.readexactly(int(headers.get("content-length", 0)))
        path = head[0].split()[1]
        answers = {"/chat/completions": CHAT, "/messages": MESSAGE, "/": INFO}
        body = json.dumps(next((one for end, one in answers.items() if path.endswith(end)), {})).encode()
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Elastic-Product: Elasticsearch\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
        )


async def speak_mongodb(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer MongoDB's handshake, heartbeats and any command with ok."""
    import bson

    while True:
        length, request, _, operation = struct.unpack("<iiii", await reader.readexactly(16))
        await reader.readexactly(length - 16)
        document = bson.encode(
            {
                "ok": 1.0,
                "helloOk": True,
                "ismaster": True,
                "isWritablePrimary": True,
                "minWireVersion": 0,
                "maxWireVersion": 25,
                "maxBsonObjectSize": 16_777_216,
                "maxMessageSizeBytes": 48_000_000,
                "maxWriteBatchSize": 100_000,
            }
        )
        # the first handshake may come as OP_QUERY (2004) and gets OP_REPLY (1); all others are OP_MSG (2013)
        if operation == 2004:
            body, kind = struct.pack("<iqii", 0, 0, 0, 1) + document, 1
        else:
            body, kind = struct.pack("<iB", 0, 0) + document, 2013
        writer.write(struct.pack("<iiii", 16 + len(body), 1, request, kind) + body)


async def speak_mysql(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Let everyone in, and answer every query with one row of one column, which is 1."""

    def send(number: int, body: bytes) -> None:
        writer.write(struct.pack("<I", len(body))[:3] + bytes([number]) + body)

    ok, end = b"\0\0\0\x02\0\0\0", b"\xfe\0\0\x02\0"
    capabilities = (
        0x0008A205  # protocol 4.1, secure connection, plugin authentication, long passwords, transactions
    )
    flags = struct.pack("<HBHHB", capabilities & 0xFFFF, 45, 2, capabilities >> 16, 21)
    send(0, b"\x0a8.0.0\0" + struct.pack("<I", 1) + b"12345678\0" + flags + bytes(10) + b"123456789012\0")
    await _read_mysql(reader)
    send(2, ok)
    while True:
        request = await _read_mysql(reader)
        if request[:1] == b"\x01":  # quit
            return
        if request[:1] == b"\x03" and request[1:].lower().startswith(b"select"):
            send(1, b"\x01")
            send(2, b"\x03def\0\0\0\x011\0\x0c\x3f\0\x01\0\0\0\x08\x81\0\0\0\0")
            send(3, end)
            send(4, b"\x011")
            send(5, end)
        else:
            send(1, ok)


async def _read_mysql(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(4)
    return await reader.readexactly(int.from_bytes(head[:3], "little"))


async def speak_amqp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Open connections and channels, and confirm what is published."""
    from pamqp import commands, frame

    def send(channel: int, answer: Any) -> None:
        writer.write(frame.marshal(answer, channel))

    answers: dict[str, Any] = {
        "Connection.StartOk": commands.Connection.Tune(10, 131_072, 0),
        "Connection.Open": commands.Connection.OpenOk(),
        "Connection.Close": commands.Connection.CloseOk(),
        "Channel.Open": commands.Channel.OpenOk(),
        "Channel.Close": commands.Channel.CloseOk(),
        "Confirm.Select": commands.Confirm.SelectOk(),
        "Queue.Declare": commands.Queue.DeclareOk("tickets", 0, 0),
    }
    published = 0
    await reader.readexactly(8)
    send(0, commands.Connection.Start(0, 9, {"capabilities": {"publisher_confirms": True}}, "PLAIN", "en_US"))
    while True:
        head = await reader.readexactly(7)
        rest = await reader.readexactly(int.from_bytes(head[3:], "big") + 1)
        _, channel, received = frame.unmarshal(head + rest)
        name = getattr(received, "name", "")
        if name in answers:
            send(channel, answers[name])
        elif name == "ContentBody" or head[0] == 3:
            published += 1
            send(channel, commands.Basic.Ack(published))


@asynccontextmanager
async def serve_grpc() -> AsyncIterator[int]:
    """Serve one unary method that returns what it is sent, and takes everything for the OTLP exporter."""
    import grpc
    from grpc import aio

    class Echo(grpc.GenericRpcHandler):  # type: ignore[misc]
        def service(self, details: Any) -> Any:
            async def echo(request: bytes, _context: Any) -> bytes:
                return request if details.method == "/tickets.Api/Echo" else b""

            return grpc.unary_unary_rpc_method_handler(echo)

    server = aio.server()
    server.add_generic_rpc_handlers((Echo(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


@asynccontextmanager
async def serve_websockets() -> AsyncIterator[int]:
    """Serve a websocket that returns what it is sent."""
    from websockets.asyncio import server

    async def echo(connection: Any) -> None:
        async for message in connection:
            await connection.send(message)

    async with server.serve(echo, "127.0.0.1", 0) as one:
        yield next(iter(one.sockets)).getsockname()[1]
