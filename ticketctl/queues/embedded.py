"""The queue in the tickets' own database: no other service is needed.

A receipt is (message id, receive count), so it settles the delivery that it was given for and no later one.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from sqlalchemy import RowMapping, TextClause

from ticketctl.postgres.sql import queue
from ticketctl.settings import Settings
from ticketctl.tickets.messages import build_record
from ticketctl.tickets.protocols import DeadLetter, Delivery, QueuePolicy

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

POLL = 0.2
"""Seconds between two looks at an empty queue."""


class Connections(Protocol):
    """Whoever lends connections, each for one statement."""

    def acquire(self) -> AbstractAsyncContextManager["AsyncConnection"]:
        """Lend a connection."""


class PostgresQueue:
    """The queue over one event loop's connections; see `ports.TicketQueue` for what each call means.

    What is given back comes again after 1, 2, 4 ... seconds, or when the lease on its ticket ends.
    """

    def __init__(self, connections: Connections, settings: Settings) -> None:
        self._connections = connections
        self._settings = settings
        self._limits = {
            "max_receive_count": settings.max_receive_count,
            "hidden": timedelta(seconds=settings.visibility_timeout),
        }

    async def receive(self, limit: int, *, wait: float) -> Sequence[Delivery]:
        """Receive a batch; what was delivered too often becomes a dead letter, its ticket failed."""
        deadline = time.monotonic() + wait
        while True:
            rows = await self._rows(queue.RECEIVE, limit=limit, **self._limits)
            deliveries = [_delivery(row) for row in rows if row["message_id"] is not None]
            if deliveries or time.monotonic() >= deadline:
                return deliveries
            if not rows:
                await asyncio.sleep(min(POLL, max(0.0, deadline - time.monotonic())))

    async def delete(self, deliveries: Sequence[Delivery]) -> None:
        """Delete the messages of these deliveries."""
        await self._settle(queue.DELETE, deliveries)

    async def release(self, deliveries: Sequence[Delivery]) -> None:
        """Make the messages of these deliveries visible again, in time."""
        await self._settle(queue.GIVE_BACK, deliveries, **self._limits)

    async def count_backlog(self) -> int:
        """Count what is neither done nor dead."""
        (row,) = await self._rows(queue.BACKLOG)
        count: int = row["count"]
        return count

    async def list_dead_letters(self, limit: int) -> Sequence[DeadLetter]:
        """List dead letters."""
        rows = await self._rows(queue.DEAD_LETTERS, limit=limit)
        return [DeadLetter(**{**row, "message_id": str(row["message_id"])}) for row in rows]

    async def redrive(self, letters: Sequence[DeadLetter]) -> int:
        """Bring dead letters back under new ids."""
        return len(await self._rows(queue.REDRIVE, message_ids=_ids(letters)))

    async def purge(self, letters: Sequence[DeadLetter]) -> int:
        """Delete dead letters."""
        return len(await self._rows(queue.PURGE, message_ids=_ids(letters)))

    async def policy(self) -> QueuePolicy:
        """Answer the settings: they are the policy."""
        return QueuePolicy(
            visibility_timeout=self._settings.visibility_timeout,
            max_receive_count=self._settings.max_receive_count,
        )

    async def _settle(
        self, statement: TextClause, deliveries: Sequence[Delivery], **parameters: object
    ) -> None:
        receipts = [msgspec.json.decode(delivery.receipt) for delivery in deliveries]
        async with self._connections.acquire() as connection:
            await connection.execute(
                statement, {"receipts": msgspec.json.encode(receipts).decode(), **parameters}
            )

    async def _rows(self, statement: Any, **parameters: object) -> Sequence[RowMapping]:
        async with self._connections.acquire() as connection:
            return (await connection.execute(statement, parameters)).mappings().all()


def _delivery(row: RowMapping) -> Delivery:
    message_id, receive_count = str(row["message_id"]), row["receive_count"]
    receipt = {"message_id": message_id, "receive_count": receive_count}
    record = build_record(
        row["body"], message_id=message_id, receive_count=receive_count, sent_at=row["enqueued_at"]
    )
    return Delivery(
        message_id=message_id,
        receipt=msgspec.json.encode(receipt).decode(),
        receive_count=receive_count,
        record=record,
    )


def _ids(letters: Sequence[DeadLetter]) -> str:
    return msgspec.json.encode([letter.message_id for letter in letters]).decode()
