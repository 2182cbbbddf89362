"""A Runtime API on loopback: gives events to AWS's runtime client, and takes what it answers.

Paths, headers and status codes: "Using the Lambda runtime API for custom runtimes" in the AWS Lambda developer guide.
"""

import asyncio
import json
import time
import uuid
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from ticketctl.warmstart.child import ipc, lambda_context

VERSION = "/2018-06-01/runtime/"
ARN = "arn:aws:lambda:us-east-1:123456789012:function:warm-start-laboratory"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the client posted for one invocation: the response, or the error as Lambda has it."""

    response: Any = None
    error: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    body: bytes


class RuntimeApi:
    """The API of one execution environment."""

    def __init__(self) -> None:
        self._events: asyncio.Queue[tuple[str, bytes, float]] = asyncio.Queue()
        self._answers: dict[str, asyncio.Future[Answer]] = {}
        self._connections: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server

    async def open(self) -> str:
        """Listen on loopback, and return the address for AWS_LAMBDA_RUNTIME_API."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        return f"{host}:{port}"

    async def close(self) -> None:
        """Stop listening, and drop the client, which ends it."""
        self._server.close()
        for connection in self._connections:
            connection.transport.abort()

    def give(self, event: object, seconds: float) -> asyncio.Future[Answer]:
        """Hand an event to whoever asks for the next one; the future is its answer."""
        request_id = str(uuid.uuid4())
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._answers[request_id] = answer
        self._events.put_nowait((request_id, json.dumps(event).encode(), time.time() + seconds))
        return answer

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            while (request := await _read(reader, writer)) is not None:
                status, headers, body = await self._answer(request)
                writer.write(_response(status, headers, body))
                await writer.drain()
        except ConnectionError:
            pass  # the child is gone, which is told elsewhere
        finally:
            self._connections.discard(writer)
            writer.close()

    async def _answer(self, request: _Request) -> tuple[HTTPStatus, dict[str, str], bytes]:
        what = request.path.removeprefix(VERSION)
        if what == "invocation/next":
            return await self._next()
        _, request_id, kind = [*what.split("/"), "", ""][:3]
        posted = self._answers.pop(request_id, None)
        if posted is not None and not posted.done():
            posted.set_result(_posted(kind, request.body))
        return HTTPStatus.ACCEPTED, {"Content-Type": "application/json"}, b'{"status":"OK"}'

    async def _next(self) -> tuple[HTTPStatus, dict[str, str], bytes]:
        request_id, event, deadline = await self._events.get()
        headers = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": request_id,
            "Lambda-Runtime-Deadline-Ms": str(round(deadline * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": ARN,
            "Lambda-Runtime-Trace-Id": f"Root=1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]};Sampled=0",
        }
        return HTTPStatus.OK, headers, event


def _posted(kind: str, body: bytes) -> Answer:
    if kind == "error":
        return Answer(error=ipc.written(body))
    if len(body) > lambda_context.RESPONSE_BYTES:
        said = lambda_context.TOO_LARGE.format(size=len(body))
        return Answer(error={"errorType": "Function.ResponseSizeTooLarge", "errorMessage": said})
    return Answer(response=ipc.written(body or b"null"))


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> _Request | None:
    """Read one request; None where the client has left."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if "expect" in headers:  # the client would wait for a second before it sends its body all the same
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await _body(reader, headers)
    except asyncio.IncompleteReadError:
        return None
    method, path, _ = first.split(" ")
    return _Request(method, path, body)


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding") != "chunked":
        return await reader.readexactly(int(headers.get("content-length", "0")))
    body = b""
    while size := int((await reader.readline()).split(b";")[0], 16):
        body += await reader.readexactly(size)
        await reader.readline()
    await reader.readline()
    return body


def _response(status: HTTPStatus, headers: dict[str, str], body: bytes) -> bytes:
    lines = [f"HTTP/1.1 {status} {status.phrase}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
