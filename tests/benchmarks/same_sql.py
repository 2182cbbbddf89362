"""The baseline of the worker: the very statements that one invocation sends, through the bare driver.

They are recorded from a real invocation, so they cannot drift from what the worker does.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from sqlalchemy import Engine, event

from tests.benchmarks.bench import Bench, event_of
from ticketctl.settings import Settings
from ticketctl.worker import Worker

Statement = tuple[str, tuple[Any, ...]]
"""SQL with the driver's own placeholders, and its parameters in their order."""
Connect = Callable[[], AbstractAsyncContextManager[Any]]
"""Gives a connection of asyncpg for one statement."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """What one invocation with one ticket sent."""

    ticket_id: int
    statements: tuple[Statement, ...]

    def renewed(self, ticket_id: int) -> list[Statement]:
        """The same statements for another ticket, under another lease."""
        change = partial(_renewed, old=self.ticket_id, new=ticket_id, token=uuid4())
        return [(sql, tuple(map(change, parameters))) for sql, parameters in self.statements]

    def replay(self, ticket_id: int) -> Callable[[Connect], Awaitable[None]]:
        """Send them for another ticket. Raises RuntimeError where one finds no ticket to write to."""

        async def send(connect: Connect) -> None:
            for sql, parameters in self.renewed(ticket_id):
                async with connect() as connection:
                    rows = await connection.fetch(sql, *parameters)
                if not rows or rows[0]["id"] != ticket_id:
                    raise RuntimeError(f"ticket {ticket_id} was not free")

        return send


def record(bench: Bench) -> Invocation:
    """Process one ticket with the worker's defaults, and keep what it sends."""
    statements: list[Statement] = []

    def keep(_connection: object, _cursor: object, sql: str, parameters: tuple[Any, ...], *_: object) -> None:
        statements.append((sql, parameters))

    ticket_id = next(bench.tickets())
    event.listen(Engine, "before_cursor_execute", keep)
    try:
        invoke(Worker(Settings(database_url=bench.url)), ticket_id)
    finally:
        event.remove(Engine, "before_cursor_execute", keep)
    return Invocation(ticket_id, tuple(statements))


def invoke(worker: Worker, ticket_id: int) -> None:
    """One invocation with one ticket. Raises whatever its record failed with."""
    (result,) = worker.invoke(event_of([ticket_id]), None)
    if result.error is not None:
        raise result.error


@asynccontextmanager
async def fresh_connections(url: str) -> AsyncIterator[Connect]:
    """A new connection for every statement."""

    @asynccontextmanager
    async def connect() -> AsyncIterator[Any]:
        connection = await asyncpg.connect(url)
        try:
            yield connection
        finally:
            await connection.close()

    yield connect


@asynccontextmanager
async def one_connection(url: str) -> AsyncIterator[Connect]:
    """The same connection for every statement."""
    async with fresh_connections(url) as connect, connect() as connection:
        yield partial(nullcontext, connection)


def _renewed(value: Any, old: int, new: int, token: UUID) -> Any:
    if isinstance(value, UUID):
        return token
    if isinstance(value, str):
        return value.replace(f'"ticket_id":{old}', f'"ticket_id":{new}')
    return new if isinstance(value, int) and value == old else value
