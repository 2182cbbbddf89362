"""SQLAlchemy engines built from a pool strategy, and the connections that one event loop holds."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import cache, partial
from typing import Any

from sqlalchemy import pool as pools
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from ticketctl.postgres import dialect
from ticketctl.postgres.address import Address
from ticketctl.postgres.connect import Connector
from ticketctl.postgres.pools import POOLS, PoolStrategy, get_pool
from ticketctl.postgres.statement_spans import EngineWatch
from ticketctl.settings import Settings
from ticketctl.telemetry.protocols import OFF, Telemetry

DEFAULT_POOL_SIZE = 5
"""SQLAlchemy's documented default for pool_size."""


def make_engine(
    address: Address, settings: Settings, strategy: PoolStrategy = POOLS["null"], *, autocommit: bool = True
) -> AsyncEngine:
    """Make an engine; nothing connects yet.

    A sized pool keeps SQLAlchemy's default of five connections, or more where the settings allow more at a time. The
    driver options of the *configured* pool apply to every strategy: if a pooler such as PgBouncer stands in front of
    the server, it stands in front of all connections.

    Raises:
        ConfigError: The settings contradict the address.
    """
    connect_args = {**get_pool(settings.pool).connect_args, **strategy.connect_args}
    connect = partial(Connector(address, settings), **connect_args)
    options: dict[str, Any] = dict(strategy.options)
    if strategy.pool_class is not None:
        options["poolclass"] = getattr(pools, strategy.pool_class)
    if strategy.is_sized:
        options["pool_size"] = max(DEFAULT_POOL_SIZE, settings.max_connections)
    url = dialect.URL if autocommit else "postgresql+asyncpg://"
    if autocommit:
        options["isolation_level"] = "AUTOCOMMIT"
    # parameters contain ticket text, which must not appear in tracebacks
    return create_async_engine(url, async_creator=connect, hide_parameters=True, **options)


class Connections:
    """The connections of one event loop: at most `limit` at a time, each use bounded by `timeout` seconds.

    The limit is per loop, because a semaphore is bound to one. The timeout is applied from outside with
    `asyncio.timeout`, never with asyncpg's command_timeout: that one hides the error of a connection whose event loop
    is closed behind a timeout of its own.

    Connection hand-over: a connection that worked is handed to the next caller that waits, without a detour through the
    pool. With NullPool this saves opening a connection per statement; with pre-ping or recycle it saves a check or a
    reconnect per statement. `share_connection` keeps a connection for the next caller even when none waits yet.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        make_unpooled_engine: Callable[[], AsyncEngine],
        *,
        limit: int,
        timeout: float,
        telemetry: Telemetry = OFF,
    ) -> None:
        self.telemetry = telemetry
        self._engine = engine
        self._make_unpooled_engine = make_unpooled_engine
        self._semaphore = asyncio.Semaphore(limit)
        self._timeout = timeout
        self._waiting = 0
        self._shares = 0
        self._free: list[AsyncConnection] = []

    @asynccontextmanager
    async def acquire(self, *, unpooled: bool = False) -> AsyncIterator[AsyncConnection]:
        """Lend a connection; `unpooled` opens a fresh one that no pool has touched.

        Raises TimeoutError where waiting for the pool and the statement together take longer than the timeout. Waiting
        for the semaphore is not counted: its holders are bounded themselves.
        """
        self._waiting += 1
        try:
            await self._semaphore.acquire()
        finally:
            self._waiting -= 1
        try:
            async with asyncio.timeout(self._timeout), self._check_out(unpooled=unpooled) as connection:
                yield connection
        except TimeoutError as error:
            # asyncio.timeout raises without a text; an error with one comes from the driver and says more
            if str(error):
                raise
            raise TimeoutError(f"the database did not answer within {self._timeout:g} s") from error
        finally:
            self._semaphore.release()

    @asynccontextmanager
    async def share_connection(self) -> AsyncIterator[None]:
        """Keep a connection from one statement to the next until the end of the context. Contexts may nest."""
        self._shares += 1
        try:
            yield
        finally:
            self._shares -= 1
            if not self._shares:
                await self.close()

    async def close(self) -> None:
        """Close connections that were kept for a caller which never came, or gave up waiting."""
        while self._free:
            # the statements have succeeded: a server that does not answer the close must not fail them
            with suppress(TimeoutError):
                async with asyncio.timeout(self._timeout):
                    await self._free.pop().close()

    @asynccontextmanager
    async def _check_out(self, *, unpooled: bool) -> AsyncIterator[AsyncConnection]:
        """Lend a connection, then hand it over to a waiting caller or return it to the pool."""
        if unpooled:
            async with self._make_unpooled_engine().connect() as connection:
                yield connection
            return
        connection = self._free.pop() if self._free else await self._engine.connect()
        try:
            yield connection
        except BaseException:
            # its state is unknown, so that no other caller gets it: the pool decides whether it is still good
            await connection.close()
            raise
        if self._waiting or self._shares:
            self._free.append(connection)
        else:
            await connection.close()


class Engines:
    """The engines of one execution environment; enter `open_connections()` once per event loop.

    `one_loop`: the environment has one event loop for its whole life. Then the pool is disposed of at the end of that
    loop, whatever the strategy, because no later loop could use its connections.
    """

    def __init__(
        self,
        address: Address,
        strategy: PoolStrategy,
        settings: Settings,
        *,
        one_loop: bool = False,
        telemetry: Telemetry = OFF,
    ) -> None:
        self._telemetry = telemetry
        self._watch = EngineWatch(telemetry, address, strategy.name)
        self._strategy = strategy
        self._dispose_at_end = strategy.dispose_at_end or one_loop
        self._settings = settings
        self._address = address
        self._make_unpooled_engine = cache(self._make)
        self._engine: AsyncEngine | None = None

    @property
    def held(self) -> int:
        """The number of open connections; counted only if telemetry is on."""
        return self._watch.held

    def _make(self, strategy: PoolStrategy = POOLS["null"]) -> AsyncEngine:
        engine = make_engine(self._address, self._settings, strategy)
        self._watch.add(engine)
        return engine

    @asynccontextmanager
    async def open_connections(self) -> AsyncIterator[Connections]:
        """Open the running event loop's connections; at its end dispose of the pool if the strategy says so."""
        if self._engine is None or self._strategy.lives_with == "loop":
            self._engine = self._make(self._strategy)
        if self._strategy.forget_at_start:
            await self._engine.dispose(close=False)
        connections = Connections(
            self._engine,
            self._make_unpooled_engine,
            limit=self._settings.max_connections,
            timeout=self._settings.store_timeout,
            telemetry=self._telemetry,
        )
        try:
            yield connections
        finally:
            await connections.close()
            if self._dispose_at_end:
                await self._engine.dispose()
