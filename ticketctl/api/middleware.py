"""What every request must pass before the application sees it: rate, token, size."""

import asyncio
import math
import re
from collections.abc import Collection
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ticketctl.api import problems
from ticketctl.api.auth import Access
from ticketctl.api.rate_limit import RateLimit

_LENGTH = re.compile(r"[0-9]{1,18}")
_READING = frozenset({"GET", "HEAD", "OPTIONS"})


class Gate:
    """An ASGI application that lets requests through to another; `open_paths` need no token, and are not counted.

    A body is read whole, and no further than the limit, whether its length was told or not.
    """

    def __init__(
        self, app: ASGIApp, *, access: Access, rate: RateLimit, body_limit: int, open_paths: Collection[str]
    ) -> None:
        self._app = app
        self._access = access
        self._rate = rate
        self._body_limit = body_limit
        self._open_paths = open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer why not."""
        if scope["type"] != "http" or scope["path"] in self._open_paths:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            self._admit(request)
            body = await self._read(request)
        except HTTPException as refusal:
            response = await problems.of_http(request, refusal)
            await response(scope, receive, send)
        except ClientDisconnect:
            return
        else:
            await self._pass_on(scope, _Replay(body, receive), send)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except asyncio.CancelledError:  # so a server ends that was told not to wait
            if not begun:
                ending = problems.problem(HTTPStatus.SERVICE_UNAVAILABLE, "the server is ending")
                await ending.response()(scope, receive, send)

    def _admit(self, request: Request) -> None:
        wait = self._rate.wait(request.client.host if request.client is not None else "")
        if wait:
            after = {"Retry-After": str(math.ceil(wait))}
            raise HTTPException(HTTPStatus.TOO_MANY_REQUESTS, "this client asks too often", headers=after)
        self._access.check(request.headers, writing=request.method not in _READING)

    async def _read(self, request: Request) -> bytes:
        if _told_length(request.headers) > self._body_limit:
            raise self._too_large()
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > self._body_limit:
                raise self._too_large()
        return bytes(body)

    def _too_large(self) -> HTTPException:
        detail = f"the body is larger than {self._body_limit:,} bytes"
        return HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)


class _Replay:
    """The `receive` of a request whose body was read: the body at once, then what comes after it."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


def _told_length(headers: Headers) -> int:
    told = headers.get("content-length", "")
    return int(told) if _LENGTH.fullmatch(told) else 0
