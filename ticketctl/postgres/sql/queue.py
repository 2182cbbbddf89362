"""The queue in Postgres: every move of a message is one statement.

Who locks several rows locks tickets by id, then messages by id; who receives skips what is locked. So no two
of these statements wait for each other.
"""

from sqlalchemy import Column, DateTime, Integer, Text, Uuid, text

# A message that was delivered too often goes: to the dead letters, its ticket failed; away, where its ticket was
# settled meanwhile; and it waits, while somebody holds its ticket.
RECEIVE = text(
    """
with ready as materialized (
  select message_id, ticket_id, receive_count, receive_count >= :max_receive_count as spent
  from messages where dead_at is null and visible_at <= now()
  order by visible_at, enqueued_at limit :limit for no key update skip locked
), abandoned as (
  select id from tickets
  where id in (select ticket_id from ready where spent)
    and (status = 'new' or status = 'processing' and lease_until < now())
  order by id for no key update skip locked
), failed as (
  update tickets t set status = 'failed', lease_token = null, lease_until = null, updated_at = now(),
    error = coalesce(t.error, 'no worker came to its end with it: its message was delivered too often')
  from abandoned where t.id = abandoned.id returning t.id, t.attempt, t.error
), tried as (
  update attempts a set ended_at = now(), outcome = 'lost',
    error = 'the worker ended or froze: its lease ran out'
  from failed where a.ticket_id = failed.id and a.attempt <= failed.attempt and a.ended_at is null
), spent as (
  select ready.message_id, ready.receive_count, t.lease_until,
    case when failed.id is not null or t.id is null or t.status = 'failed' then 'dead'
         when t.status in ('new', 'processing') then 'held' else 'settled' end as fate,
    coalesce(failed.error, t.error, 'there is no such ticket') as reason
  from ready left join tickets t on t.id = ready.ticket_id left join failed on failed.id = ready.ticket_id
  where ready.spent
), dead as (
  update messages m set dead_at = now(), last_error = spent.reason
  from spent where m.message_id = spent.message_id and spent.fate = 'dead'
), held as (
  update messages m set visible_at = greatest(spent.lease_until, now() + interval '1 second')
  from spent where m.message_id = spent.message_id and spent.fate = 'held'
), settled as (
  delete from messages m using spent where m.message_id = spent.message_id and spent.fate = 'settled'
), delivered as (
  update messages m set receive_count = m.receive_count + 1, visible_at = now() + cast(:hidden as interval)
  from ready where m.message_id = ready.message_id and not ready.spent
  returning m.message_id, m.receive_count, m.enqueued_at, m.body
)
select message_id, receive_count, enqueued_at, body from delivered
union all select null, null, null, null from spent
"""
).columns(
    Column("message_id", Uuid),
    Column("receive_count", Integer),
    Column("enqueued_at", DateTime(timezone=True)),
    Column("body", Text),
)
"""Answers the deliveries, and a row of nulls for each message that was moved instead."""

_LATEST = """
with latest as (
  select m.message_id, m.ticket_id from messages m
  join (
    select * from jsonb_to_recordset(cast(:receipts as jsonb)) as r(message_id uuid, receive_count int)
    limit jsonb_array_length(cast(:receipts as jsonb))
  ) r on r.message_id = m.message_id and r.receive_count = m.receive_count
  where m.dead_at is null order by m.message_id for update of m
)
"""
"""The messages whose latest delivery is among the receipts: a late waker's is not.

The limit limits nothing: it tells the planner how few they are, so that it takes the index.
"""

DELETE = text(f"{_LATEST} delete from messages m using latest where m.message_id = latest.message_id")  # noqa: S608 - both parts stand in this module

# a spent message comes at once, for receiving decides what becomes of it
GIVE_BACK = text(
    f"""{_LATEST}
update messages m set visible_at = case
  when t.status = 'processing' and t.lease_until > now() then t.lease_until
  when m.receive_count >= :max_receive_count then now()
  else now() + least(interval '1 second' * power(2, least(m.receive_count - 1, 16)), cast(:hidden as interval)) end
from latest left join tickets t on t.id = latest.ticket_id
where m.message_id = latest.message_id
"""  # noqa: S608 - both parts stand in this module
)

BACKLOG = text("select count(*) from messages where dead_at is null")

DEAD_LETTERS = text(
    """
select m.message_id, t.id as ticket_id, m.body, m.receive_count, m.enqueued_at, m.last_error as reason
from messages m left join tickets t on t.id = m.ticket_id
where m.dead_at is not null order by m.dead_at, m.message_id limit :limit
"""
)

# JSON, because for an array's type asyncpg asks the catalogue, and switches the session's jit off and on meanwhile
_DEAD = """
with dead as (
  select message_id from messages
  where dead_at is not null
    and message_id in (select cast(value as uuid) from jsonb_array_elements_text(cast(:message_ids as jsonb)))
  order by message_id for update
), gone as (
  delete from messages m using dead where m.message_id = dead.message_id returning m.ticket_id, m.body
)
"""

# under a new id, because the old one counts its receipts from 1 again: a late waker's would fit
REDRIVE = text(
    f"{_DEAD} insert into messages (ticket_id, body) select ticket_id, body from gone returning message_id"  # noqa: S608 - both parts stand in this module
)

PURGE = text(f"{_DEAD} select ticket_id from gone")  # noqa: S608 - both parts stand in this module
