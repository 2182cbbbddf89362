"""The embedded queue: messages in the tickets' own database, so that no other service is needed.

A receipt is (message id, delivery number): it settles the delivery that it was given for, and no later one. The receive
count is another number: it counts only the deliveries that led to an attempt, because a delivery is spent only on one.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from sqlalchemy import RowMapping, TextClause

from ticketctl.postgres.json_params import encode_jsonb
from ticketctl.postgres.sql import queue
from ticketctl.settings import Settings
from ticketctl.tickets.messages import MalformedMessage, build_record
from ticketctl.tickets.queue_protocols import DeadLetter, Delivery, QueuePolicy

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

POLL_INTERVAL = 0.2
"""Seconds between two receives from an empty queue."""


class ConnectionSource(Protocol):
    """Lends connections, each for one statement."""

    def acquire(self) -> AbstractAsyncContextManager["AsyncConnection"]:
        """Lend a connection."""


class PostgresQueue:
    """The queue over one event loop's connections; implements `tickets.queue_protocols.TicketQueue`.

    A released message is visible again after 1, 2, 4 ... seconds, or when the lease on its ticket ends.
    """

    def __init__(self, connections: ConnectionSource, settings: Settings) -> None:
        self._connections = connections
        self._settings = settings
        self._limits = {
            "max_receive_count": settings.max_receive_count,
            "hidden": timedelta(seconds=settings.visibility_timeout),
        }

    async def receive(self, limit: int, *, wait: float) -> Sequence[Delivery]:
        """Receive a batch; move spent messages to the dead letters and fail their tickets."""
        deadline = time.monotonic() + wait
        while True:
            rows = await self._fetch(queue.RECEIVE, limit=limit, **self._limits)
            deliveries = [_to_delivery(row) for row in rows if row["message_id"] is not None]
            if deliveries or time.monotonic() >= deadline:
                return deliveries
            # rows without a delivery are spent messages that were moved: others may be ready behind them
            if not rows:
                await asyncio.sleep(min(POLL_INTERVAL, max(0.0, deadline - time.monotonic())))

    async def delete(self, deliveries: Sequence[Delivery]) -> None:
        """Delete the messages of these deliveries."""
        await self._settle(queue.DELETE, deliveries)

    async def release(self, deliveries: Sequence[Delivery]) -> Sequence[str]:
        """Make messages visible again after a pause; return the ids of those that will not be delivered again."""
        rows = await self._settle(queue.RELEASE, deliveries, **self._limits)
        return [str(row["message_id"]) for row in rows if row["is_given_up"]]

    async def extend(self, deliveries: Sequence[Delivery]) -> None:
        """Hide the messages of these deliveries for another visibility timeout."""
        await self._settle(queue.EXTEND, deliveries, hidden=self._limits["hidden"])

    async def count_backlog(self) -> int:
        """Count the messages that are neither done nor dead."""
        (row,) = await self._fetch(queue.COUNT_BACKLOG)
        count: int = row["count"]
        return count

    async def list_dead_letters(self, limit: int) -> Sequence[DeadLetter]:
        """List dead letters, the oldest first."""
        rows = await self._fetch(queue.SELECT_DEAD_LETTERS, limit=limit)
        return [DeadLetter(**{**row, "message_id": str(row["message_id"])}) for row in rows]

    async def redrive(self, letters: Sequence[DeadLetter]) -> int:
        """Enqueue dead letters again, under new ids."""
        return len(await self._fetch(queue.REDRIVE, message_ids=_message_ids(letters)))

    async def purge(self, letters: Sequence[DeadLetter]) -> int:
        """Delete dead letters."""
        return len(await self._fetch(queue.PURGE, message_ids=_message_ids(letters)))

    async def get_policy(self) -> QueuePolicy:
        """Return the settings: they are this queue's policy."""
        return QueuePolicy(
            visibility_timeout=self._settings.visibility_timeout,
            max_receive_count=self._settings.max_receive_count,
        )

    async def _settle(
        self, statement: TextClause, deliveries: Sequence[Delivery], **parameters: object
    ) -> Sequence[RowMapping]:
        receipts = [
            {**msgspec.json.decode(delivery.receipt), "reason": _malformed_reason(delivery)}
            for delivery in deliveries
        ]
        async with self._connections.acquire() as connection:
            result = await connection.execute(statement, {"receipts": encode_jsonb(receipts), **parameters})
            return result.mappings().all() if result.returns_rows else ()

    async def _fetch(self, statement: Any, **parameters: object) -> Sequence[RowMapping]:
        async with self._connections.acquire() as connection:
            return (await connection.execute(statement, parameters)).mappings().all()


def _to_delivery(row: RowMapping) -> Delivery:
    message_id, receive_count = str(row["message_id"]), row["receive_count"]
    receipt = {"message_id": message_id, "delivery_number": row["delivery_number"]}
    record = build_record(
        row["body"],
        message_id=message_id,
        receive_count=receive_count,
        sent_at=row["enqueued_at"],
        traceparent=row["traceparent"],
    )
    return Delivery(
        message_id=message_id,
        receipt=encode_jsonb(receipt),
        receive_count=receive_count,
        record=record,
    )


def _malformed_reason(delivery: Delivery) -> str | None:
    """Return why no worker can ever process this message, or None."""
    return delivery.message.reason if isinstance(delivery.message, MalformedMessage) else None


def _message_ids(letters: Sequence[DeadLetter]) -> str:
    return encode_jsonb([letter.message_id for letter in letters])
