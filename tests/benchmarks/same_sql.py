"""The baseline of the worker: the very statements that one invocation sends, through the bare driver.

They are recorded from a real invocation, connection by connection, so they cannot drift from what the worker does.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from sqlalchemy import Connection, Engine, event

from tests.benchmarks.bench import Bench, event_of
from ticketctl.settings import Settings
from ticketctl.worker import Worker

Statement = tuple[str, tuple[Any, ...]]
"""SQL with the driver's own placeholders, and its parameters in their order."""
Batch = Sequence[Statement]
"""What is sent over one connection."""
Connect = Callable[[], AbstractAsyncContextManager[Any]]
"""Gives a connection of asyncpg."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """What one invocation with one ticket sent."""

    ticket_id: int
    token: UUID
    batches: Sequence[Batch]

    def renewed(self, ticket_id: int) -> Sequence[Batch]:
        """The same statements for another ticket, under another lease."""
        change = partial(_renewed, words={_id(self.ticket_id): _id(ticket_id), str(self.token): str(uuid4())})
        return [
            [(sql, tuple(map(change, parameters))) for sql, parameters in batch] for batch in self.batches
        ]

    def replay(self, ticket_id: int) -> Callable[[Connect], Awaitable[None]]:
        """Send them for another ticket. Raises RuntimeError where one finds no ticket to write to."""

        async def send(connect: Connect) -> None:
            for batch in self.renewed(ticket_id):
                async with connect() as connection:
                    for sql, parameters in batch:
                        rows = await connection.fetch(sql, *parameters)
                        if not rows or rows[0]["id"] != ticket_id:
                            raise RuntimeError(f"ticket {ticket_id} was not free")

        return send


def record(bench: Bench) -> Invocation:
    """Process one ticket with the worker's defaults, and keep what it sends."""
    batches: dict[object, list[Statement]] = {}

    def keep(
        connection: Connection, _: object, sql: str, parameters: tuple[Any, ...], *_more: object
    ) -> None:
        batches.setdefault(connection.connection.driver_connection, []).append((sql, parameters))

    ticket_id = next(bench.tickets())
    event.listen(Engine, "before_cursor_execute", keep)
    try:
        invoke(Worker(Settings(database_url=bench.url)), ticket_id)
    finally:
        event.remove(Engine, "before_cursor_execute", keep)
    (token,) = {
        one for batch in batches.values() for _, told in batch for one in told if isinstance(one, UUID)
    }
    return Invocation(ticket_id, token, list(batches.values()))


def invoke(worker: Worker, ticket_id: int) -> None:
    """One invocation with one ticket. Raises whatever its record failed with."""
    (result,) = worker.invoke(event_of([ticket_id]), None)
    if result.error is not None:
        raise result.error


@asynccontextmanager
async def fresh_connections(url: str) -> AsyncIterator[Connect]:
    """A new connection whenever one is asked for."""

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
    """Always the same connection."""
    async with fresh_connections(url) as connect, connect() as connection:
        yield partial(nullcontext, connection)


def _id(ticket_id: int) -> str:
    """How JSON names a ticket."""
    return f'"ticket_id":{ticket_id}'


def _renewed(value: Any, words: Mapping[str, str]) -> Any:
    """The same parameter with other words in it."""
    if not isinstance(value, UUID | str):
        return value
    text = str(value)
    for old, new in words.items():
        text = text.replace(old, new)
    return UUID(text) if isinstance(value, UUID) else text
