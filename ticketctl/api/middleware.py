"""Admission of requests before the application sees them: token, rate limit, body."""

import asyncio
import ipaddress
import math
import re
from collections.abc import Collection
from contextlib import suppress
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ticketctl.api import problems
from ticketctl.api.auth import TokenAuth
from ticketctl.api.rate_limit import RateLimit

_LENGTH = re.compile(r"0*+([0-9]*+)")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_DISCARD_SECONDS = 1.0
"""How long to read the rest of a refused body: a client that still sends when its connection closes loses the answer."""


class AdmissionMiddleware:
    """Check each request, read its body, and pass it to the application.

    `open_paths` need no token; `unlimited_paths` of them have no rate limit.
    The body is read completely before the application runs, and never beyond the limit, whatever Content-Length says.
    The application finds the name of the request's token in `state.key_owner`.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        auth: TokenAuth,
        rate: RateLimit,
        body_limit: int,
        body_seconds: float,
        open_paths: Collection[str],
        unlimited_paths: Collection[str],
    ) -> None:
        self._app = app
        self._auth = auth
        self._rate = rate
        self._body_limit = body_limit
        self._body_seconds = body_seconds
        self._open_paths = open_paths
        self._unlimited_paths = unlimited_paths
        self._reading: set[asyncio.Task[None]] = set()
        self._is_stopping = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer with a problem."""
        if scope["type"] != "http" or scope["path"] in self._unlimited_paths:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            request.state.key_owner = self._admit(request)
            body = await self._read(request)
        except HTTPException as error:
            await self._refuse(request, error, send)
        except ClientDisconnect:
            return
        else:
            await self._pass_on(scope, _BodyReplay(body, receive), send)

    def stop_reading(self) -> None:
        """Answer the requests whose bodies have not arrived yet, and those that follow, with 503."""
        self._is_stopping = True
        for task in self._reading:
            task.cancel()

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_started = False

        async def send_and_note(message: Message) -> None:
            nonlocal has_started
            has_started = True
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        except asyncio.CancelledError:  # the server stops without waiting for its requests
            if not has_started:
                await problems.respond_to_stop()(scope, receive, send)

    async def _refuse(self, request: Request, error: HTTPException, send: Send) -> None:
        response = await problems.handle_http_error(request, error)
        if not await self._discard(request):
            response.headers["Connection"] = "close"
        await response(request.scope, request.receive, send)

    def _admit(self, request: Request) -> str:
        """Return the name of the request's token. Raise HTTPException if it is refused, or comes too soon.

        Clients are told apart by their tokens, if they have any. So a client cannot get around its limit with invented
        addresses, and guessing tokens has a limit too.
        """
        address = _client_network(request)
        if request.scope["path"] in self._open_paths:
            self._count(address)
            return ""
        try:
            name = self._auth.check(request.headers, writing=request.method not in _SAFE_METHODS)
        except HTTPException:
            self._count(f"refused {address}")
            raise
        self._count(name or address)
        return name

    def _count(self, client: str) -> None:
        seconds = self._rate.count(client)
        if seconds:
            after = {"Retry-After": str(math.ceil(seconds))}
            raise HTTPException(
                HTTPStatus.TOO_MANY_REQUESTS, "this client sends too many requests", headers=after
            )

    async def _read(self, request: Request) -> bytes:
        """Return the body. Raise HTTPException if it is too large or too slow, or if the server stops."""
        if _content_length(request.headers) > self._body_limit:
            raise self._too_large()
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in a task
        self._reading.add(task)
        try:
            if self._is_stopping:
                raise problems.stopping_error()
            async with asyncio.timeout(self._body_seconds):
                return await self._read_within_limit(request)
        except TimeoutError:
            detail = f"the body did not arrive within {self._body_seconds:g} seconds"
            raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, detail) from None
        except asyncio.CancelledError:
            task.uncancel()
            raise problems.stopping_error() from None
        finally:
            self._reading.discard(task)

    async def _read_within_limit(self, request: Request) -> bytes:
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > self._body_limit:
                raise self._too_large()
        return bytes(body)

    async def _discard(self, request: Request) -> bool:
        """Read and forget what is left of a body, within bounds. Return whether it was read to its end."""
        is_declared = _content_length(request.headers) > 0 or "transfer-encoding" in request.headers
        if not is_declared:
            return True
        if self._is_stopping or "expect" in request.headers:  # reading would ask the client to send the body
            return False
        left = self._body_limit
        with suppress(TimeoutError, ClientDisconnect):
            async with asyncio.timeout(_DISCARD_SECONDS):
                while left > 0:
                    message = await request.receive()
                    left -= len(message.get("body", b""))
                    if not message.get("more_body", False):
                        return bool(message["type"] == "http.request")
        return False

    def _too_large(self) -> HTTPException:
        detail = f"the body is larger than {self._body_limit:,} bytes"
        return HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)


class _BodyReplay:
    """The `receive` of a request whose body was read already: first the whole body, then later messages."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


def _content_length(headers: Headers) -> int | float:
    """Return the length that the client declares; 0 if it declares none, infinity for 19 digits or more.

    int() needs quadratic time for a long number.
    """
    number = _LENGTH.fullmatch(headers.get("content-length", ""))
    if number is None or not number[1]:
        return 0
    return int(number[1]) if len(number[1]) <= 18 else math.inf  # noqa: PLR2004 - below 2**63


def _client_network(request: Request) -> str:
    """Return the client's address; of IPv6 its /64 network, because one client has all addresses in it."""
    host = request.client.host if request.client is not None else ""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if address.version == 4:  # noqa: PLR2004 - IPv4
        return host
    return str(ipaddress.ip_network((address, 64), strict=False))
