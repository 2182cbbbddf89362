"""A span for each request, by https://opentelemetry.io/docs/specs/semconv/http/http-spans/."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ticketctl.telemetry.protocols import Span, Telemetry
from ticketctl.tickets.record_attributes import TRACEPARENT, check_traceparent

_UNTRACED = frozenset({"/healthz", "/readyz"})
"""Paths that monitors ask for all the time."""
_SERVER_ERROR = 500


class RequestSpanMiddleware:
    """Open a span for each request, in the trace that the client names in `traceparent`, if any."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry) -> None:
        self._app = app
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on inside its span."""
        if scope["type"] != "http" or scope["path"] in _UNTRACED:
            await self._app(scope, receive, send)
            return
        method = scope["method"]
        attributes = {
            "http.request.method": method,
            "url.path": scope["path"],
            "url.scheme": scope.get("scheme", "http"),
        }
        parent = check_traceparent(Headers(scope=scope).get(TRACEPARENT))
        with self._telemetry.span(method, "server", attributes, parent=parent) as span:

            async def send_and_note(message: Message) -> None:
                if message["type"] == "http.response.start":
                    _note_response(span, scope, message["status"])
                await send(message)

            await self._app(scope, receive, send_and_note)


def _note_response(span: Span, scope: Scope, status: int) -> None:
    span.set_attributes({"http.response.status_code": status})
    if status >= _SERVER_ERROR:
        span.set_attributes({"error.type": str(status)})
    route = getattr(scope.get("route"), "path", None)
    if route is not None:
        span.set_attributes({"http.route": route})
        span.set_name(f"{scope['method']} {route}")
