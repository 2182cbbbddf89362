"""`ticketctl serve`: the API on one machine, with uvicorn, on one persistent event loop."""

import asyncio
import errno
import logging
import math
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ticketctl.api import problems
from ticketctl.api.app import create_app
from ticketctl.api.auth import require_for_host
from ticketctl.api.connections import ConnectionLimit, LimitedProtocol, RepeatFilter
from ticketctl.api.request_log import RequestLogMiddleware
from ticketctl.api.request_spans import RequestSpanMiddleware
from ticketctl.errors import ConfigError, InvalidInputError
from ticketctl.runtime import Database, api_resources, make_telemetry, prepare_tables
from ticketctl.settings import Settings
from ticketctl.telemetry.protocols import Telemetry
from ticketctl.tickets.operator_resources import OperatorResources

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from ticketctl.api.middleware import AdmissionMiddleware
    from ticketctl.api.prometheus import ServerMetrics

_HOST_HINT = "give --host an address of this machine, such as 127.0.0.1, and --port a port that you may use"

log = logging.getLogger(__name__)

METRICS_PATH = "/metrics"
BACKLOG = 2048
"""Connections that may wait to be accepted."""
_ACCEPTED_AT_ONCE = 64
"""Connections that asyncio accepts before it looks after the others. It calls this number the backlog, too."""
_OUT_OF_RESOURCES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class ApiServer:
    """A server that listens on its address from the moment it is created.

    `own_token` is a token that works beside those of the settings.

    Raises:
        ConfigError: It would listen beyond this machine without tokens, or a proxy's address is wrong.
        InvalidInputError: The host does not exist, or the port is not free.
    """

    def __init__(self, settings: Settings, host: str, port: int, *, own_token: str | None = None) -> None:
        self._proxies = _parse_networks(settings.api_proxies)
        self._socket = _listen(settings, host, port, has_token=own_token is not None)
        self._own_token = own_token
        self._server: uvicorn.Server | None = None
        self._app: AdmissionMiddleware | None = None
        self.is_stopping = False

    @property
    def address(self) -> tuple[str, int]:
        """The host and the port that the server listens on."""
        host, port = self._socket.getsockname()[:2]
        return host, port

    @property
    def url(self) -> str:
        """The URL of the API."""
        host, port = self.address
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def stop(self) -> None:
        """Accept no more requests, and end when the current ones are answered."""
        self.is_stopping = True
        if self._app is not None:
            self._app.stop_reading()
        if self._server is not None:
            self._server.should_exit = True

    async def run(self, database: Database, on_start: Callable[[], None]) -> None:
        """Serve until `stop` is called; call `on_start` when the server accepts requests.

        Raises:
            DatabaseError: The database cannot be reached, or its tables belong to another version.
        """
        await prepare_tables(database)
        settings = database.settings
        pooled = replace(settings, max_connections=settings.server_connections)
        telemetry = make_telemetry()
        opened = api_resources(pooled, one_loop=True, pool=settings.server_pool, telemetry=telemetry)
        with telemetry.keep_flushing():
            await self._serve(opened, pooled, telemetry, on_start)

    async def _serve(
        self,
        opened: Callable[[], AbstractAsyncContextManager[OperatorResources]],
        settings: Settings,
        telemetry: Telemetry,
        on_start: Callable[[], None],
    ) -> None:
        async with opened() as resources:
            metrics = _make_metrics(resources)
            self._app = create_app(
                settings,
                lambda: nullcontext(resources),
                own_token=self._own_token,
                is_local=True,
                routes=[Route(METRICS_PATH, metrics.show if metrics else _explain_missing_metrics)],
            )
            limit = ConnectionLimit.from_settings(settings)
            app: ASGIApp = RequestLogMiddleware(metrics.count_requests(self._app) if metrics else self._app)
            config = uvicorn.Config(
                RequestSpanMiddleware(app, telemetry) if telemetry.is_on else app,
                http=partial(LimitedProtocol, limit),  # type: ignore[arg-type] # uvicorn only calls it
                backlog=_ACCEPTED_AT_ONCE,
                proxy_headers=bool(self._proxies),
                forwarded_allow_ips=self._proxies,
                lifespan="off",
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                # no database call takes longer
                timeout_graceful_shutdown=math.ceil(settings.store_timeout),
            )
            _limit_logs()
            asyncio.get_running_loop().set_exception_handler(partial(_handle_loop_error, limit))
            self._server = _Uvicorn(config, on_start)
            self._server.should_exit = self.is_stopping
            await self._server.serve([self._socket])

    def close(self) -> None:
        """Close the listening socket."""
        self._socket.close()


class _Uvicorn(uvicorn.Server):
    """Uvicorn with a callback at its start; the command line handles the signals."""

    def __init__(self, config: uvicorn.Config, on_start: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_start = on_start

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or ():
            listener.listen(BACKLOG)
        self._on_start()


def _make_metrics(resources: OperatorResources) -> "ServerMetrics | None":
    """Return the metrics; None without the extra."""
    try:
        from ticketctl.api.prometheus import ServerMetrics
    except ModuleNotFoundError:
        return None
    return ServerMetrics(resources)


async def _explain_missing_metrics(_: Request) -> Response:
    problem = problems.problem_for(
        HTTPStatus.NOT_FOUND,
        "the extra metrics is not installed where this server runs",
        hint="pip install 'ticketctl[metrics]'",
    )
    return problem.to_response()


def _parse_networks(text: str | None) -> list[str]:
    """Return the networks of a setting in a form that uvicorn knows. Raise ConfigError for one that does not exist."""
    try:
        return [str(ip_network(one.strip(), strict=False)) for one in text.split(",")] if text else []
    except ValueError as error:
        raise ConfigError(
            f"the setting api_proxies is invalid: {error}", hint="example: 127.0.0.1, 10.0.0.0/8, fd00::/8"
        ) from None


def _limit_logs() -> None:
    repeats = RepeatFilter()
    for name in (__name__, LimitedProtocol.__module__, "uvicorn.error"):
        logging.getLogger(name).addFilter(repeats)


def _handle_loop_error(
    limit: ConnectionLimit, loop: asyncio.AbstractEventLoop, context: dict[str, Any]
) -> None:
    """Log one line if no connection can be accepted; asyncio would log a traceback for each of up to 64 attempts."""
    error = context.get("exception")
    if isinstance(error, OSError) and error.errno in _OUT_OF_RESOURCES:
        log.warning("no connection can be accepted: %s", os.strerror(error.errno or 0).lower())
        limit.close_longest_waiting()
    else:
        loop.default_exception_handler(context)


def _listen(settings: Settings, host: str, port: int, *, has_token: bool) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not a name"
        raise InvalidInputError(f"there is no host {host}: {reason}", hint=_HOST_HINT) from None
    if not has_token:
        require_for_host(settings, str(address[0]))
    # The protocol is given because asyncio sets TCP_NODELAY only on sockets that name theirs.
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        reason = os.strerror(error.errno or 0).lower()
        hint = "--port 0 chooses a free one" if error.errno == errno.EADDRINUSE else _HOST_HINT
        raise InvalidInputError(f"port {port} of {host} is not available: {reason}", hint=hint) from None
    return listener
