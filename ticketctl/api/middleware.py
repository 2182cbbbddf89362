"""Admission of requests before the application sees them: rate limit, token, body size."""

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
from ticketctl.api.auth import TokenAuth
from ticketctl.api.rate_limit import RateLimit

_LENGTH = re.compile(r"[0-9]{1,18}")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class AdmissionMiddleware:
    """Check each request, read its body, and pass it to the application. `open_paths` are not checked.

    The body is read completely before the application runs, and never beyond the limit, whatever Content-Length says.
    """

    def __init__(
        self, app: ASGIApp, *, auth: TokenAuth, rate: RateLimit, body_limit: int, open_paths: Collection[str]
    ) -> None:
        self._app = app
        self._auth = auth
        self._rate = rate
        self._body_limit = body_limit
        self._open_paths = open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer with a problem."""
        if scope["type"] != "http" or scope["path"] in self._open_paths:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            self._admit(request)
            body = await self._read(request)
        except HTTPException as error:
            response = await problems.handle_http_error(request, error)
            await response(scope, receive, send)
        except ClientDisconnect:
            return
        else:
            await self._pass_on(scope, _BodyReplay(body, receive), send)

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
                stopping = problems.problem_for(HTTPStatus.SERVICE_UNAVAILABLE, "the server is stopping")
                await stopping.to_response()(scope, receive, send)

    def _admit(self, request: Request) -> None:
        seconds = self._rate.count(request.client.host if request.client is not None else "")
        if seconds:
            after = {"Retry-After": str(math.ceil(seconds))}
            raise HTTPException(
                HTTPStatus.TOO_MANY_REQUESTS, "this client sends too many requests", headers=after
            )
        self._auth.check(request.headers, writing=request.method not in _SAFE_METHODS)

    async def _read(self, request: Request) -> bytes:
        if _content_length(request.headers) > self._body_limit:
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


def _content_length(headers: Headers) -> int:
    text = headers.get("content-length", "")
    return int(text) if _LENGTH.fullmatch(text) else 0
