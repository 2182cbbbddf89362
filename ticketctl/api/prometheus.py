"""The metrics of `serve` for Prometheus: its requests, and what waits in database and queue."""

import logging
import time
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ticketctl.errors import TicketctlError
from ticketctl.tickets import operations
from ticketctl.tickets.operator_resources import OperatorResources

log = logging.getLogger(__name__)

_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class ServerMetrics:
    """Counts requests from the start of the server, and asks database and queue at each scrape."""

    def __init__(self, resources: OperatorResources) -> None:
        self._resources = resources
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "ticketctl_http_requests",
            "Requests by route and status; status 0: the client left before the response.",
            ("method", "route", "status"),
            registry=registry,
        )
        self._duration = Histogram(
            "ticketctl_http_request_duration_seconds",
            "Duration of requests.",
            ("method", "route"),
            buckets=_BUCKETS,
            registry=registry,
        )
        self._tickets = Gauge("ticketctl_tickets", "Tickets by status.", ("status",), registry=registry)
        self._age = Gauge(
            "ticketctl_oldest_new_ticket_age_seconds",
            "Time since the oldest new ticket was created; 0 without one.",
            registry=registry,
        )
        self._queue = Gauge(
            "ticketctl_queue_messages",
            "Messages that are neither done nor dead letters.",
            registry=registry,
        )
        self._outbox = Gauge(
            "ticketctl_outbox_messages", "Messages that are not sent yet.", registry=registry
        )
        self._stuck = Gauge(
            "ticketctl_stuck_tickets",
            f"Tickets that wait for more than 15 minutes, {operations.LIMIT} at most.",
            registry=registry,
        )
        self._success = Gauge(
            "ticketctl_scrape_success", "Whether database and queue answered this scrape.", registry=registry
        )

    async def show(self, _: Request) -> Response:
        """Answer a scrape. Where database or queue do not answer, the other metrics are those of the last scrape."""
        try:
            await self._ask()
        except TicketctlError as error:
            log.warning("a scrape has no new figures of the tickets: %s", error)
            self._success.set(0)
        else:
            self._success.set(1)
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)

    def count_request(self, scope: Scope, status: int, seconds: float) -> None:
        """Count a request that ended. A path without a route has no label of its own: clients invent paths.

        FastAPI names the route in the scope; Starlette, whose routes here have fixed paths, only the endpoint.
        """
        method = scope["method"] if scope["method"] in _METHODS else "other"
        fixed = scope["path"] if "endpoint" in scope else "none"
        route = getattr(scope.get("route"), "path", fixed)
        self._requests.labels(method, route, str(status)).inc()
        self._duration.labels(method, route).observe(seconds)

    def count_requests(self, app: ASGIApp) -> "RequestMetricsMiddleware":
        """Return the application with its requests counted."""
        return RequestMetricsMiddleware(app, self)

    async def _ask(self) -> None:
        counts = await self._resources.operations.count_tickets()
        for status, number in counts.tickets.items():
            self._tickets.labels(status).set(number)
        oldest = counts.oldest_new
        self._age.set(0 if oldest is None else max(0.0, (datetime.now(UTC) - oldest).total_seconds()))
        waiting = await self._resources.count_waiting()
        self._stuck.set(waiting.stuck)
        if waiting.outbox is not None:
            self._outbox.set(waiting.outbox)
        self._queue.set(waiting.queue)


class RequestMetricsMiddleware:
    """Count each request with its route, status and duration."""

    def __init__(self, app: ASGIApp, metrics: ServerMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        finally:
            self._metrics.count_request(scope, status, time.perf_counter() - started)
