"""The outbox: a ticket's message waits beside the ticket until it is sent to another queue."""

from collections.abc import Sequence
from datetime import timedelta

from ticketctl.postgres.error_mapping import ErrorMappingConnections
from ticketctl.postgres.json_params import encode_jsonb
from ticketctl.postgres.sql import outbox
from ticketctl.tickets.queue_protocols import OutboxMessage

SEND_TIMEOUT = timedelta(minutes=1)
"""How long a sender has for the messages that it claimed, before another sender may claim them."""


class PostgresOutbox:
    """The outbox over one event loop's connections; implements `tickets.queue_protocols.Outbox`."""

    def __init__(self, connections: ErrorMappingConnections) -> None:
        self._connections = connections

    async def claim(self, limit: int, *, ticket_id: int | None = None) -> Sequence[OutboxMessage]:
        """Return messages to send and hide them from other senders."""
        parameters = {"limit": limit, "ticket_id": ticket_id, "hidden": SEND_TIMEOUT}
        async with self._connections.acquire() as connection:
            rows = (await connection.execute(outbox.CLAIM, parameters)).mappings().all()
        return [OutboxMessage(**{**row, "message_id": str(row["message_id"])}) for row in rows]

    async def delete(self, message_ids: Sequence[str]) -> None:
        """Delete messages that were sent."""
        async with self._connections.acquire() as connection:
            await connection.execute(outbox.DELETE, {"message_ids": encode_jsonb(message_ids)})

    async def release(self, message_ids: Sequence[str]) -> None:
        """Make messages that were not sent available again at once."""
        async with self._connections.acquire() as connection:
            await connection.execute(outbox.RELEASE, {"message_ids": encode_jsonb(message_ids)})

    async def count(self) -> int:
        """Count the messages that are not sent yet."""
        async with self._connections.acquire() as connection:
            count: int = await connection.scalar(outbox.COUNT)
        return count
