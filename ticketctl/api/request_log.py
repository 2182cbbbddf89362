"""Request ids, and a log line for each request."""

import logging
import re
import time
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ticketctl.telemetry.logs import REQUEST_ID

log = logging.getLogger(__name__)

HEADER = "X-Request-ID"
_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_MAX_PATH = 1000
"""Characters of a path that the log shows."""


class RequestLogMiddleware:
    """Give each request an id, return it in `X-Request-ID`, and log the request at INFO.

    A client may send the id, so that its own log and this one can be joined. Without one the id is Lambda's, or a new
    one. All log records of the request have it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _accept(Headers(scope=scope).get(HEADER)) or REQUEST_ID.get() or uuid4().hex
        token = REQUEST_ID.set(request_id)
        started = time.perf_counter()
        status = 0  # the client has left before the response began

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            _log(scope, status, (time.perf_counter() - started) * 1000)
            REQUEST_ID.reset(token)


def _accept(request_id: str | None) -> str | None:
    return request_id if request_id is not None and _ID.fullmatch(request_id) else None


def _log(scope: Scope, status: int, duration_ms: float) -> None:
    client = scope["client"][0] if scope.get("client") else None
    fields = {
        "method": scope["method"],
        "path": scope["path"][:_MAX_PATH],
        "status": status,
        "duration_ms": round(duration_ms, 1),
        "client": client,
    }
    log.info("%(method)s %(path)s: %(status)s in %(duration_ms)s ms for %(client)s", fields, extra=fields)
