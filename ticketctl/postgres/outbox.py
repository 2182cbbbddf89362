"""The outbox: a ticket's message stays beside the ticket until a queue elsewhere has it."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import text

from ticketctl.postgres.error_mapping import ErrorMappingConnections
from ticketctl.postgres.json_params import as_jsonb, values_of
from ticketctl.tickets.protocols import OutboxMessage

PATIENCE = timedelta(minutes=1)
"""How long one sender has to send what it took, before another may."""

_TAKE = text(
    """
with waiting as (
  select message_id from messages
  where visible_at <= now() and dead_at is null
    and (cast(:ticket_id as bigint) is null or ticket_id = :ticket_id)
  order by visible_at, enqueued_at limit :limit for no key update skip locked
)
update messages m set visible_at = now() + cast(:patience as interval)
from waiting where m.message_id = waiting.message_id
returning m.message_id, m.body, (select requester from tickets t where t.id = m.ticket_id) as "group"
"""
)
_NAMED = f"message_id in ({values_of('message_ids', 'uuid')})"
_FORGET = text(f"delete from messages where {_NAMED}")  # noqa: S608 - both parts stand in this module
_RELEASE = text(f"update messages set visible_at = now() where {_NAMED}")  # noqa: S608 - as above
_WAITING = text("select count(*) from messages where dead_at is null")


class PostgresOutbox:
    """The outbox over one event loop's connections; see `ports.Outbox` for what each call means."""

    def __init__(self, connections: ErrorMappingConnections) -> None:
        self._connections = connections

    async def claim(self, limit: int, *, ticket_id: int | None = None) -> Sequence[OutboxMessage]:
        """Take what is to be sent; nobody else gets it meanwhile."""
        parameters = {"limit": limit, "ticket_id": ticket_id, "patience": PATIENCE}
        async with self._connections.acquire() as connection:
            rows = (await connection.execute(_TAKE, parameters)).mappings().all()
        return [OutboxMessage(**{**row, "message_id": str(row["message_id"])}) for row in rows]

    async def delete(self, message_ids: Sequence[str]) -> None:
        """Delete what was sent."""
        async with self._connections.acquire() as connection:
            await connection.execute(_FORGET, {"message_ids": as_jsonb(message_ids)})

    async def release(self, message_ids: Sequence[str]) -> None:
        """Let what was not sent be taken again."""
        async with self._connections.acquire() as connection:
            await connection.execute(_RELEASE, {"message_ids": as_jsonb(message_ids)})

    async def count(self) -> int:
        """Count what is not sent."""
        async with self._connections.acquire() as connection:
            count: int = await connection.scalar(_WAITING)
        return count
