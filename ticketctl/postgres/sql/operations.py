"""The operator's statements over all tickets: stuck tickets, redrives, statistics."""

from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, Float, Integer, Select, Text, Uuid, select, text
from sqlalchemy.dialects.postgresql import BOOLEAN, JSONB

from ticketctl.postgres.json_params import json_values
from ticketctl.postgres.schema import tickets
from ticketctl.postgres.sql.changes import OPERATION, by_person, record_changes
from ticketctl.postgres.sql.fragments import ticket_columns

_LISTED = f"id in ({json_values('ticket_ids', 'bigint')})"

# The newest message of a ticket; a message that is not dead comes first.
_LATEST_MESSAGE = """lateral (
  select * from messages where ticket_id = t.id order by dead_at nulls first, enqueued_at desc limit 1
) m on true"""
_MESSAGE_COLUMNS = "m.message_id, m.receive_count, m.visible_at, m.enqueued_at, m.dead_at is not null as dead"

# A new ticket waits since its message was enqueued or, without a message, since its last change. Both are never before
# its creation, so that the index of new tickets by creation time yields the candidates: the oldest `limit` tickets that
# wait for long enough. Ordering all new tickets by the time of their message would read all of their messages.
# `overtaken`: a worker started on another ticket after this message was enqueued, so that workers run and this message
# was passed over.
SELECT_STUCK = text(
    f"""
with waiting as (
  select {ticket_columns("t")}, coalesce(m.enqueued_at, t.updated_at) as since, {_MESSAGE_COLUMNS}
  from tickets t left join {_LATEST_MESSAGE}
  where t.status = 'new' and t.created_at <= now() - cast(:older_than as interval)
    and coalesce(m.enqueued_at, t.updated_at) <= now() - cast(:older_than as interval)
  order by t.created_at, t.id limit :limit
), expired as (
  select {ticket_columns("t")}, t.lease_until as since, {_MESSAGE_COLUMNS}
  from tickets t left join {_LATEST_MESSAGE}
  where t.status = 'processing' and t.lease_until < now()
    and t.lease_until <= now() - cast(:older_than as interval)
  order by t.lease_until, t.id limit :limit
), stuck as (
  select * from waiting union all select * from expired order by since, id limit :limit
)
select {ticket_columns("stuck")}, since, message_id, receive_count, visible_at, dead,
  exists(select from attempts a where a.started_at > stuck.enqueued_at and a.ticket_id <> stuck.id) as overtaken
from stuck order by since, id
"""  # noqa: S608 - only constants of this package are interpolated
).columns(
    *tickets.columns,
    Column("since", DateTime(timezone=True)),
    Column("message_id", Uuid),
    Column("receive_count", Integer),
    Column("visible_at", DateTime(timezone=True)),
    Column("dead", BOOLEAN),
    Column("overtaken", BOOLEAN),
)

RESET_FAILED = text(
    f"""
with {OPERATION}, o as (
  select * from tickets where {_LISTED} and status = 'failed' order by id for no key update
), n as (
  update tickets t set status = 'new', updated_at = now() from o where t.id = o.id returning t.*
), recorded as ({record_changes("n", "o", **by_person("'redrive'"))})
select id from n
"""  # noqa: S608 - as above
).columns(Column("id", BigInteger))
"""Makes failed tickets new and returns their ids."""

# The index of statuses answers both parts. A minimum per status would read every ticket.
COUNT_BY_STATUS = text(
    """
select status, count(*) as number,
  case status when 'new' then (select min(created_at) from tickets where status = 'new') end as oldest
from tickets group by status
"""
)

# One scan adds up each model; the sums of a step and provider are sums of those. The percentile is percentile_cont's,
# without its sort of every duration: the index yields the two values around the position, counted from the longest.
MEASURE_STEPS = text(
    """
with used as materialized (
  select step, provider, model, count(*) as runs, sum(duration_ms) as total_ms,
    sum(input_tokens) as input_tokens, sum(output_tokens) as output_tokens
  from steps group by step, provider, model
), summed as (
  select step, provider, cast(sum(runs) as bigint) as runs, sum(total_ms) as total_ms,
    cast(sum(input_tokens) as bigint) as input_tokens, cast(sum(output_tokens) as bigint) as output_tokens,
    jsonb_agg(to_jsonb(used) - 'step' - 'provider' - 'total_ms' order by model) as models
  from used group by step, provider
), positioned as (
  select *, cast(0.95 * (runs - 1) as float8) as position from summed
)
select p.step, p.provider, p.runs, p.total_ms / p.runs as mean_ms,
  (select max(duration_ms) - (ceil(p.position) - p.position) * (max(duration_ms) - min(duration_ms))
   from (select duration_ms from steps where step = p.step and provider = p.provider
         order by duration_ms desc offset p.runs - 1 - cast(ceil(p.position) as bigint) limit 2) around) as p95_ms,
  p.input_tokens, p.output_tokens, p.models
from positioned p
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

COUNT_BY_CATEGORY_AND_TEAM = text(
    "select category, team, count(*) as number from tickets group by category, team"
)

# An attempt ends as processed or as needs_review once per run; the last one tells whether the engine was sure.
MEASURE_WEEKS = text(
    """
with weeks as (
  select generate_series(last - (cast(:weeks as int) - 1) * interval '1 week', last, interval '1 week') as start
  from (select date_trunc('week', now() at time zone 'UTC') as last) as one
), selected as (
  select date_trunc('week', created_at at time zone 'UTC') as start, processed_at,
    cast(extract(epoch from processed_at - created_at) as float8) as seconds,
    (select outcome from attempts a where a.ticket_id = t.id and a.outcome in ('processed', 'needs_review')
     order by attempt desc limit 1) as outcome
  from tickets t where created_at >= (select min(start) from weeks) at time zone 'UTC'
)
select cast(w.start as date) as start, count(s.start) as created, count(s.processed_at) as processed,
  count(*) filter (where s.outcome = 'processed' and s.processed_at is not null) as automated,
  percentile_cont(0.5) within group (order by s.seconds) as median_seconds,
  percentile_cont(0.95) within group (order by s.seconds) as p95_seconds
from weeks w left join selected s on s.start = w.start
group by w.start order by w.start
"""
)

# reserved_connections exists since Postgres 16: `true` makes current_setting return null before that
CONNECTION_LIMIT = text(
    """
select current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
  - coalesce(current_setting('reserved_connections', true)::int, 0) as available
"""
)


def select_ids(status: str, limit: int) -> Select[Any]:
    """Select the ids of the oldest tickets with this status."""
    return select(tickets.c.id).where(tickets.c.status == status).order_by(tickets.c.id).limit(limit)
