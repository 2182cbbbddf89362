"""`ticketctl serve`: the API on one machine, by uvicorn, on one event loop that lives on."""

import errno
import math
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace

import uvicorn

from ticketctl.api.app import create_app
from ticketctl.api.auth import require_for_host
from ticketctl.errors import InvalidInputError
from ticketctl.runtime import Database, api_resources, prepare_tables
from ticketctl.settings import Settings

_HOST_HINT = "--host takes an address of this machine, like 127.0.0.1, and --port one that you may use"

BACKLOG = 2048
"""Connections that may wait to be taken."""


class Server:
    """A server on an address that it holds from the beginning, so that nobody else takes it meanwhile.

    Raises:
        ConfigError: It would be heard beyond this machine, and has no tokens.
        InvalidInputError: There is no such host, or its port cannot be had.
    """

    def __init__(self, settings: Settings, host: str, port: int) -> None:
        self._socket = _listen(settings, host, port)
        self._serving: uvicorn.Server | None = None
        self.is_stopping = False

    @property
    def address(self) -> tuple[str, int]:
        """Its host and port."""
        host, port = self._socket.getsockname()[:2]
        return host, port

    @property
    def url(self) -> str:
        """Where it is."""
        host, port = self.address
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def stop(self) -> None:
        """Take no more requests, and end when those that are there are answered."""
        self.is_stopping = True
        if self._serving is not None:
            self._serving.should_exit = True

    async def run(self, database: Database, started: Callable[[], None]) -> None:
        """Serve until it is stopped; `started` is called when requests are taken.

        Raises:
            DatabaseError: It cannot be reached, or its tables are not those of this version.
        """
        await prepare_tables(database)
        settings = database.settings
        pooled = replace(settings, max_connections=settings.server_connections)
        async with api_resources(pooled, one_loop=True, pool=settings.server_pool)() as resources:
            config = uvicorn.Config(
                create_app(pooled, lambda: nullcontext(resources), local=True),
                lifespan="off",
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                # no call of the database takes longer
                timeout_graceful_shutdown=math.ceil(settings.store_timeout),
            )
            self._serving = _Uvicorn(config, started)
            self._serving.should_exit = self.is_stopping
            await self._serving.serve([self._socket])

    def close(self) -> None:
        """Give the address back."""
        self._socket.close()


class _Uvicorn(uvicorn.Server):
    """Uvicorn, which says when it has started, and leaves signals to the command line."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._tell_started = started

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._tell_started()


def _listen(settings: Settings, host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no name"
        raise InvalidInputError(f"there is no host {host}: {reason}", hint=_HOST_HINT) from None
    require_for_host(settings, str(address[0]))
    # it says that it is TCP's: of no other does asyncio send what is written at once
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        reason = os.strerror(error.errno or 0).lower()
        hint = "--port 0 takes one that is free" if error.errno == errno.EADDRINUSE else _HOST_HINT
        raise InvalidInputError(f"port {port} of {host} cannot be had: {reason}", hint=hint) from None
    return listener
