"""A laboratory, and a server seen through psql."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from ticketctl.warmstart.laboratory import Laboratory

HANDLERS = Path(__file__).parent / "handlers"


class Backends:
    """The connections of one application name."""

    def __init__(self, sql: Callable[..., str], url: str, name: str) -> None:
        self._sql, self._url, self._name = sql, url, name

    async def connections(self) -> int:
        return int(await self._ask("count(*)"))

    async def disconnect(self) -> None:
        await self._ask("count(pg_terminate_backend(pid))")

    async def _ask(self, what: str) -> str:
        where = f"from pg_stat_activity where application_name = '{self._name}'"
        return await asyncio.to_thread(self._sql, f"select {what} {where}", self._url)


@pytest.fixture
async def laboratory() -> AsyncIterator[Laboratory]:
    async with Laboratory(preload=["sqlalchemy.ext.asyncio", "asyncpg"]) as one:
        yield one


@pytest.fixture
def handlers() -> Path:
    return HANDLERS


@pytest.fixture
def backends(sql: Callable[..., str], empty_database_url: str) -> Callable[[str], Backends]:
    return lambda name: Backends(sql, empty_database_url, name)
