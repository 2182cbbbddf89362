"""A Runtime API on loopback: it gives events to AWS's runtime client, and receives responses and errors from it.

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

FUNCTION_NAME = "warm-start-laboratory"
VERSION = "/2018-06-01/runtime/"
ARN = f"arn:aws:lambda:{lambda_context.REGION}:{lambda_context.ACCOUNT}:function:{FUNCTION_NAME}"


@dataclass(frozen=True, slots=True)
class PostedResult:
    """What the client posted for one invocation: the response, or the error in Lambda's form."""

    response: Any = None
    error: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class _HttpRequest:
    method: str
    path: str
    body: bytes


class RuntimeApi:
    """The API of one execution environment."""

    def __init__(self) -> None:
        self._events: asyncio.Queue[tuple[str, bytes, float]] = asyncio.Queue()
        self._results: dict[str, asyncio.Future[PostedResult]] = {}
        self._connections: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server

    async def open(self) -> str:
        """Listen on loopback, and return the address for AWS_LAMBDA_RUNTIME_API."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        return f"{host}:{port}"

    async def close(self) -> None:
        """Stop listening, and disconnect the client, which ends it."""
        self._server.close()
        for connection in self._connections:
            connection.transport.abort()

    def offer(self, event: object, seconds: float) -> asyncio.Future[PostedResult]:
        """Offer an event to the next request for one; the future is its result."""
        request_id = str(uuid.uuid4())
        result: asyncio.Future[PostedResult] = asyncio.get_running_loop().create_future()
        self._results[request_id] = result
        self._events.put_nowait((request_id, json.dumps(event).encode(), time.time() + seconds))
        return result

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            while (request := await _read_request(reader, writer)) is not None:
                status, headers, body = await self._respond(request)
                writer.write(_format_response(status, headers, body))
                await writer.drain()
        except ConnectionError:
            pass  # the child has ended, which the session reports
        finally:
            self._connections.discard(writer)
            writer.close()

    async def _respond(self, request: _HttpRequest) -> tuple[HTTPStatus, dict[str, str], bytes]:
        resource = request.path.removeprefix(VERSION)
        if resource == "invocation/next":
            return await self._next()
        _, request_id, kind = [*resource.split("/"), "", ""][:3]
        result = self._results.pop(request_id, None)
        if result is not None and not result.done():
            result.set_result(_parse_posted(kind, request.body))
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


def _parse_posted(kind: str, body: bytes) -> PostedResult:
    if kind == "error":
        return PostedResult(error=ipc.parse(body))
    if len(body) > lambda_context.RESPONSE_BYTES:
        message = lambda_context.RESPONSE_TOO_LARGE.format(size=len(body))
        return PostedResult(error={"errorType": "Function.ResponseSizeTooLarge", "errorMessage": message})
    return PostedResult(response=ipc.parse(body or b"null"))


async def _read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> _HttpRequest | None:
    """Read one request; return None where the client has disconnected."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if "expect" in headers:  # without it the client sends its body after a second of waiting
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await _read_body(reader, headers)
    except asyncio.IncompleteReadError:
        return None
    method, path, _ = first.split(" ")
    return _HttpRequest(method, path, body)


async def _read_body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding") != "chunked":
        return await reader.readexactly(int(headers.get("content-length", "0")))
    body = b""
    while size := int((await reader.readline()).split(b";")[0], 16):
        body += await reader.readexactly(size)
        await reader.readline()
    await reader.readline()
    return body


def _format_response(status: HTTPStatus, headers: dict[str, str], body: bytes) -> bytes:
    lines = [f"HTTP/1.1 {status} {status.phrase}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
