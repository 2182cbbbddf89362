"""The embedded queue's statements: every move of a message is one statement.

Lock order: a statement that locks several rows locks tickets by id, then messages by id; RECEIVE skips locked rows. So
no two of these statements wait for each other.
"""

from sqlalchemy import Column, DateTime, Integer, Text, Uuid, text

from ticketctl.postgres.json_params import json_rows, json_values
from ticketctl.postgres.sql.fragments import CLAIMABLE, LEASE_EXPIRED

# RECEIVE takes the next visible messages and does two things with them. A message below the maximum receive count is
# delivered: counted and hidden. A spent message (one that reached the maximum) is not delivered again; it becomes
#   dead     where its ticket failed, does not exist, or is failed by this statement because no worker holds it;
#   held     where a worker still has the ticket: it waits until that lease ends;
#   settled  where the ticket is done: the message is deleted.
# `materialized` makes Postgres evaluate `ready` once; inlined into each branch it would lock and count other rows there.
RECEIVE = text(
    f"""
with ready as materialized (
  select message_id, ticket_id, receive_count, receive_count >= :max_receive_count as spent
  from messages where dead_at is null and visible_at <= now()
  order by visible_at, enqueued_at limit :limit for no key update skip locked
), abandoned as (
  select id from tickets
  where id in (select ticket_id from ready where spent) and {CLAIMABLE}
  order by id for no key update skip locked
), failed as (
  update tickets t set status = 'failed', lease_token = null, lease_until = null, updated_at = now(),
    error = coalesce(t.error, 'no worker came to its end with it: its message was delivered too often')
  from abandoned where t.id = abandoned.id returning t.id, t.attempt, t.error
), lost as (
  update attempts a set ended_at = now(), outcome = 'lost', error = '{LEASE_EXPIRED}'
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
"""  # noqa: S608 - only constants of this package are interpolated
).columns(
    Column("message_id", Uuid),
    Column("receive_count", Integer),
    Column("enqueued_at", DateTime(timezone=True)),
    Column("body", Text),
)
"""Returns the deliveries, and a row of nulls for each spent message: then there may be more, and the caller asks again."""

_LATEST = f"""
with latest as (
  select m.message_id, m.ticket_id from messages m
  join ({json_rows("receipts", "message_id uuid, receive_count int")}) r
    on r.message_id = m.message_id and r.receive_count = m.receive_count
  where m.dead_at is null order by m.message_id for update of m
)
"""  # noqa: S608 - as above
"""The messages whose latest delivery is among the receipts. A worker that froze and thawed holds an older receipt, which
must settle nothing."""

DELETE = text(f"{_LATEST} delete from messages m using latest where m.message_id = latest.message_id")  # noqa: S608 - as above

# A spent message becomes visible at once: RECEIVE then decides what becomes of it.
RELEASE = text(
    f"""{_LATEST}
update messages m set visible_at = case
  when t.status = 'processing' and t.lease_until > now() then t.lease_until
  when m.receive_count >= :max_receive_count then now()
  else now() + least(interval '1 second' * power(2, least(m.receive_count - 1, 16)), cast(:hidden as interval)) end
from latest left join tickets t on t.id = latest.ticket_id
where m.message_id = latest.message_id
"""  # noqa: S608 - as above
)
"""Makes messages visible again after 1, 2, 4 ... seconds, or when the lease on the ticket ends."""

COUNT_BACKLOG = text("select count(*) from messages where dead_at is null")

SELECT_DEAD_LETTERS = text(
    """
select m.message_id, t.id as ticket_id, m.body, m.receive_count, m.enqueued_at, m.last_error as reason
from messages m left join tickets t on t.id = m.ticket_id
where m.dead_at is not null order by m.dead_at, m.message_id limit :limit
"""
)

_REMOVED = f"""
with dead as (
  select message_id from messages
  where dead_at is not null and message_id in ({json_values("message_ids", "uuid")})
  order by message_id for update
), removed as (
  delete from messages m using dead where m.message_id = dead.message_id returning m.ticket_id, m.body
)
"""  # noqa: S608 - as above

# A redriven message gets a new id. Under the old id its receive count would start at 1 again, and a receipt that a
# frozen worker still holds would match the new delivery.
REDRIVE = text(
    f"{_REMOVED} insert into messages (ticket_id, body) select ticket_id, body from removed returning message_id"  # noqa: S608 - as above
)

PURGE = text(f"{_REMOVED} select ticket_id from removed")  # noqa: S608 - as above
