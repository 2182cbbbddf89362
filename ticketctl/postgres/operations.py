"""What who runs the system asks of all tickets together: what is stuck, another try, figures."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, Float, Integer, RowMapping, Text, Uuid, select, text
from sqlalchemy.dialects.postgresql import BOOLEAN, JSONB

from ticketctl.postgres import migrations
from ticketctl.postgres.error_mapping import ErrorMappingConnections
from ticketctl.postgres.json_params import as_jsonb, values_of
from ticketctl.postgres.schema import tickets
from ticketctl.tickets.models import Step, Ticket, TicketStatus
from ticketctl.tickets.protocols import ModelUse, Statistics, StepStatistics, StuckTicket

_COLUMNS = ", ".join(f"t.{column.name}" for column in tickets.columns)

# JSON, because for an array's type asyncpg asks the catalogue, and switches the session's jit off and on meanwhile
_NAMED = values_of("ticket_ids", "bigint")

# A new ticket waits since its message was enqueued; where there is no message, since something last happened.
_STUCK = text(
    f"""
select {_COLUMNS}, waits.since, m.message_id, m.receive_count, m.visible_at,
  m.dead_at is not null as dead,
  exists(select from attempts a where a.started_at > m.enqueued_at and a.ticket_id <> t.id) as overtaken
from tickets t
left join lateral (
  select * from messages where ticket_id = t.id order by dead_at nulls first, enqueued_at desc limit 1
) m on true
cross join lateral (
  select case t.status when 'new' then coalesce(m.enqueued_at, t.updated_at) else t.lease_until end as since
) waits
where (t.status = 'new' or t.status = 'processing' and t.lease_until < now())
  and waits.since <= now() - cast(:older_than as interval)
order by waits.since, t.id limit :limit
"""  # noqa: S608 - only names of columns are put in
).columns(
    *tickets.columns,
    Column("since", DateTime(timezone=True)),
    Column("message_id", Uuid),
    Column("receive_count", Integer),
    Column("visible_at", DateTime(timezone=True)),
    Column("dead", BOOLEAN),
    Column("overtaken", BOOLEAN),
)

_REOPEN = text(
    f"""
with failed as (
  select id from tickets where id in ({_NAMED}) and status = 'failed'
  order by id for no key update
)
update tickets t set status = 'new', updated_at = now() from failed where t.id = failed.id returning t.id
"""  # noqa: S608 - both parts stand in this module
).columns(Column("id", BigInteger))

# the ticket's messages are replaced by a new one, so that their receipts settle nothing any more
_RETRY = text(
    f"""
with idle as (
  select id from tickets where id in ({_NAMED})
    and (status in ('failed', 'new', 'needs_review') or status = 'processing' and lease_until < now())
  order by id for no key update
), opened as (
  update tickets t set status = 'new', lease_token = null, lease_until = null, updated_at = now()
  from idle where t.id = idle.id returning t.id
), old as (
  select message_id from messages where ticket_id in (select id from idle) order by message_id for update
), gone as (
  delete from messages m using old where m.message_id = old.message_id
), renewed as (
  insert into messages (ticket_id, body) select id, format('{{"ticket_id": %s}}', id) from opened
)
select id from opened order by id
"""  # noqa: S608 - both parts stand in this module
).columns(Column("id", BigInteger))

_COUNTS = text("select status, count(*) as number, min(created_at) as oldest from tickets group by status")
_STEPS = text(
    """
with used as (
  select step, provider, model, count(*) as runs, sum(input_tokens) as input_tokens,
    sum(output_tokens) as output_tokens
  from steps group by step, provider, model
)
select step, provider, count(*) as runs, avg(duration_ms) as mean_ms,
  percentile_cont(0.95) within group (order by duration_ms) as p95_ms,
  sum(input_tokens) as input_tokens, sum(output_tokens) as output_tokens,
  (select jsonb_agg(to_jsonb(used) - 'step' - 'provider' order by model)
   from used where used.step = steps.step and used.provider = steps.provider) as models
from steps group by step, provider
"""
).columns(
    Column("step", Text),
    Column("provider", Text),
    Column("runs", BigInteger),
    Column("mean_ms", Float),
    Column("p95_ms", Float),
    Column("input_tokens", BigInteger),
    Column("output_tokens", BigInteger),
    Column("models", JSONB),
)

_CONNECTION_LIMIT = text(
    """
select current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
  - coalesce(current_setting('reserved_connections', true)::int, 0) as available
"""
)


class PostgresOperations:
    """The operator's view over one event loop's connections; see `ports.Operations`."""

    def __init__(self, connections: ErrorMappingConnections) -> None:
        self._connections = connections

    async def list_stuck(self, older_than: timedelta, *, limit: int) -> Sequence[StuckTicket]:
        """Find tickets that wait for longer than they should."""
        rows = await self._rows(_STUCK, older_than=older_than, limit=limit)
        return [_stuck(row) for row in rows]

    async def list_ids(self, status: TicketStatus, *, limit: int) -> Sequence[int]:
        """Find the oldest tickets of one status."""
        query = select(tickets.c.id).where(tickets.c.status == status.value)
        return [row["id"] for row in await self._rows(query.order_by(tickets.c.id).limit(limit))]

    async def reset_failed(self, ticket_ids: Sequence[int]) -> Sequence[int]:
        """Make failed tickets new."""
        return [row["id"] for row in await self._rows(_REOPEN, ticket_ids=as_jsonb(ticket_ids))]

    async def retry(self, ticket_ids: Sequence[int]) -> Sequence[int]:
        """Make idle tickets new, each with one new message."""
        return [row["id"] for row in await self._rows(_RETRY, ticket_ids=as_jsonb(ticket_ids))]

    async def get_statistics(self) -> Statistics:
        """Count tickets by status, and measure what is saved of the steps."""
        counts = {TicketStatus(row["status"]): row for row in await self._rows(_COUNTS)}
        new = counts.get(TicketStatus.NEW)
        order = list(Step)
        measured = [_measured(row) for row in await self._rows(_STEPS)]
        return Statistics(
            tickets={status: counts[status]["number"] if status in counts else 0 for status in TicketStatus},
            oldest_new=None if new is None else new["oldest"],
            steps=sorted(measured, key=lambda step: (order.index(step.step), step.provider)),
        )

    async def get_connection_limit(self) -> int:
        """Ask the server what it has to give, less what it reserves."""
        (row,) = await self._rows(_CONNECTION_LIMIT)
        limit: int = row["available"]
        return limit

    async def check_schema(self) -> None:
        """Ask for the revision of the tables."""
        async with self._connections.acquire() as connection:
            revision = await migrations.get_revision(connection)
        migrations.require_current(revision, self._connections.address)

    async def _rows(self, statement: Any, **parameters: object) -> Sequence[RowMapping]:
        async with self._connections.acquire() as connection:
            return (await connection.execute(statement, parameters)).mappings().all()


def _stuck(row: RowMapping) -> StuckTicket:
    values = {column.name: row[column.name] for column in tickets.columns}
    return StuckTicket(
        ticket=Ticket(**values | {"status": TicketStatus(row["status"])}),
        since=row["since"],
        message_id=None if row["message_id"] is None else str(row["message_id"]),
        receive_count=row["receive_count"],
        visible_at=row["visible_at"],
        dead=row["dead"],
        overtaken=row["overtaken"],
    )


def _measured(row: RowMapping) -> StepStatistics:
    models = [ModelUse(**used) for used in row["models"]]
    return StepStatistics(**{**row, "step": Step(row["step"]), "models": models})
