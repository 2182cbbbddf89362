"""A person's word on a ticket, in Postgres: see `reviews.ReviewStore` for what each call means."""

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.sql.expression import TextualSelect

from ticketctl.postgres.engine import Connections
from ticketctl.postgres.schema import tickets
from ticketctl.tickets.models import Ticket, TicketStatus

_NAMES = ("category", "priority", "sentiment", "language", "team", "draft")
_SAID = ", ".join(f"('{name}', t.{name})" for name in _NAMES)
_COLUMNS = ", ".join(f"t.{column.name}" for column in tickets.columns)


def _verdict(sql: str, error: str) -> TextualSelect:
    """Write the person's verdict on the last try beside what it says of the ticket."""
    return text(
        f"""
with t as ({sql} returning t.*
), told as (
  update attempts a set outcome = :verdict, error = {error}
  from t where a.ticket_id = t.id and a.attempt = t.attempt
)
select {_COLUMNS} from t
"""  # noqa: S608 - both parts and the names of columns stand in this module
    ).columns(*tickets.columns)


_SET = text(
    f"""
update tickets t set
  category = coalesce(:category, t.category), priority = coalesce(:priority, t.priority),
  sentiment = coalesce(:sentiment, t.sentiment), language = coalesce(:language, t.language),
  draft = coalesce(:draft, t.draft),
  team = coalesce(:team, case when jsonb_exists(t.set_by_human, 'team') or t.status = 'processing'
    then t.team else :routed end, t.team),
  confidence = case when cast(:category as text) is null then t.confidence else 1 end,
  set_by_human = (select jsonb_agg(distinct name order by name)
    from jsonb_array_elements_text(t.set_by_human || cast(:names as jsonb)) as name),
  updated_at = now()
where t.id = :ticket_id returning {_COLUMNS}
"""  # noqa: S608 - only names of columns are put in
).columns(*tickets.columns)

_APPROVE = _verdict(
    f"""
  update tickets t set status = 'processed',
    confidence = case when t.category is null then t.confidence else 1 end,
    set_by_human = (select coalesce(jsonb_agg(name order by name), '[]')
      from (values {_SAID}) as said(name, value)
      where said.value is not null or jsonb_exists(t.set_by_human, said.name)),
    updated_at = now()
  where t.id = :ticket_id and t.status in ('needs_review', 'processed')""",  # noqa: S608 - names of columns
    error="a.error",
)

_REJECT = _verdict(
    """
  update tickets t set status = 'processed', draft = null,
    set_by_human = (select jsonb_agg(distinct name order by name)
      from jsonb_array_elements_text(t.set_by_human || '["draft"]') as name),
    updated_at = now()
  where t.id = :ticket_id and t.status in ('needs_review', 'processed')""",
    error="coalesce(:reason, a.error)",
)


class PostgresReviews:
    """The store of reviews over one event loop's connections."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def set(self, ticket_id: int, values: Mapping[str, str], *, routed: str | None) -> Ticket | None:
        """Set fields and mark them as a human's."""
        said = {name: values.get(name) for name in _NAMES}
        names = msgspec.json.encode(list(values)).decode()
        return await self._told(_SET, **said, ticket_id=ticket_id, routed=routed, names=names)

    async def approve(self, ticket_id: int) -> Ticket | None:
        """Mark all that there is as a human's word."""
        return await self._told(_APPROVE, ticket_id=ticket_id, verdict="approved")

    async def reject(self, ticket_id: int, reason: str | None) -> Ticket | None:
        """Drop the draft for good."""
        return await self._told(_REJECT, ticket_id=ticket_id, reason=reason, verdict="rejected")

    async def _told(self, statement: TextualSelect, **parameters: Any) -> Ticket | None:
        async with self._connections.acquire() as connection:
            row = (await connection.execute(statement, parameters)).mappings().one_or_none()
        return None if row is None else Ticket(**{**row, "status": TicketStatus(row["status"])})
