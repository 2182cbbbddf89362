"""Engines made as a pool strategy says, and what one event loop holds of them."""

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
from ticketctl.settings import Settings

SIZE = 5
"""Connections that a pool keeps unless it is told otherwise, as SQLAlchemy documents it."""


def make_engine(
    address: Address, settings: Settings, strategy: PoolStrategy = POOLS["null"], *, autocommit: bool = True
) -> AsyncEngine:
    """Make an engine; nothing connects yet.

    A pool keeps SQLAlchemy's five connections, or more where the settings allow more at a time. What the configured
    pool tells the driver holds for every strategy: a pooler is in the way of all connections.

    Raises:
        ConfigError: The settings contradict the address.
    """
    told = {**get_pool(settings.pool).connect_args, **strategy.connect_args}
    connect = partial(Connector(address, settings), **told)
    options: dict[str, Any] = dict(strategy.options)
    if strategy.pool_class is not None:
        options["poolclass"] = getattr(pools, strategy.pool_class)
    if strategy.is_sized:
        options["pool_size"] = max(SIZE, settings.max_connections)
    url = dialect.URL if autocommit else "postgresql+asyncpg://"
    if autocommit:
        options["isolation_level"] = "AUTOCOMMIT"
    # parameters hold what tickets say: they belong into no traceback
    return create_async_engine(url, async_creator=connect, hide_parameters=True, **options)


class Connections:
    """What one event loop has of the database: a few connections at a time, each call bounded in time.

    The limit is per loop because a semaphore is. Calls are bounded from outside, never by asyncpg's
    command_timeout, which replaces the error of a connection whose loop is gone by another one.
    """

    def __init__(
        self, engine: AsyncEngine, apart: Callable[[], AsyncEngine], *, limit: int, timeout: float
    ) -> None:
        self._engine = engine
        self._apart = apart
        self._limit = asyncio.Semaphore(limit)
        self._timeout = timeout
        self._waiting = 0
        self._shares = 0
        self._free: list[AsyncConnection] = []

    @asynccontextmanager
    async def acquire(self, *, unpooled: bool = False) -> AsyncIterator[AsyncConnection]:
        """A connection for one statement; `unpooled` takes a fresh one that no pool has touched.

        Raises TimeoutError when checkout and statement together take too long.
        """
        self._waiting += 1
        try:
            await self._limit.acquire()
        finally:
            self._waiting -= 1
        try:
            async with asyncio.timeout(self._timeout), self._connected(unpooled=unpooled) as connection:
                yield connection
        except TimeoutError as error:
            if str(error):
                raise
            raise TimeoutError(f"the database did not answer within {self._timeout:g} s") from error
        finally:
            self._limit.release()

    @asynccontextmanager
    async def share_connection(self) -> AsyncIterator[None]:
        """Keep a connection from one statement to the next, until the end of the context."""
        self._shares += 1
        try:
            yield
        finally:
            self._shares -= 1
            if not self._shares:
                await self.close()

    async def close(self) -> None:
        """Close what was kept for somebody who then gave up waiting, or had no more to say."""
        while self._free:
            # what waited for it has ended: a server that is silent now must change nothing about that
            with suppress(TimeoutError):
                async with asyncio.timeout(self._timeout):
                    await self._free.pop().close()

    @asynccontextmanager
    async def _connected(self, *, unpooled: bool) -> AsyncIterator[AsyncConnection]:
        """One that worked is handed to whoever waits or comes next, whatever the pool; else the pool has it back."""
        if unpooled:
            async with self._apart().connect() as connection:
                yield connection
            return
        connection = self._free.pop() if self._free else await self._engine.connect()
        try:
            yield connection
        except BaseException:
            await connection.close()
            raise
        if self._waiting or self._shares:
            self._free.append(connection)
        else:
            await connection.close()


class Engines:
    """The engines of one execution environment; `open_connections()` is entered once per event loop.

    `one_loop`: the environment has one loop for its life, so that with this loop every connection ends.
    """

    def __init__(
        self, address: Address, strategy: PoolStrategy, settings: Settings, *, one_loop: bool = False
    ) -> None:
        self._strategy = strategy
        self._dispose_at_end = strategy.dispose_at_end or one_loop
        self._settings = settings
        self._make = partial(make_engine, address, settings)
        self._apart = cache(self._make)
        self._engine: AsyncEngine | None = None

    @asynccontextmanager
    async def open_connections(self) -> AsyncIterator[Connections]:
        """Hand out the connections of the running loop, and keep or close them as the strategy says."""
        if self._engine is None or self._strategy.lives_with == "loop":
            self._engine = self._make(self._strategy)
        if self._strategy.forget_at_start:
            await self._engine.dispose(close=False)
        connections = Connections(
            self._engine,
            self._apart,
            limit=self._settings.max_connections,
            timeout=self._settings.store_timeout,
        )
        try:
            yield connections
        finally:
            await connections.close()
            if self._dispose_at_end:
                await self._engine.dispose()
