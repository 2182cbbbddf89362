"""The embedded queue's statements: every move of a message is one statement.

Lock order: a statement that locks several rows locks tickets by id, then messages by id; RECEIVE skips locked rows. So
no two of these statements wait for each other. (Postgres may make RECEIVE wait for a row that two transactions change in
the moment when it looks; should that ever close a circle, Postgres ends one of them and the mapping calls again.)
"""

from sqlalchemy import Column, DateTime, Integer, Text, Uuid, text

from ticketctl.postgres.json_params import json_rows, json_values
from ticketctl.postgres.sql.changes import TRACKED_COLUMNS, record_changes
from ticketctl.postgres.sql.fragments import CLAIMABLE, LEASE_EXPIRED, NO_SUCH_TICKET

# A delivery is spent only on an attempt. A claim writes the attempt with the message id and the receive count of its
# delivery, so that this row tells whether a delivery reached a claim, whatever became of the receiver afterwards.
_ATTEMPTED = """exists(select from attempts a where a.ticket_id = m.ticket_id
    and a.message_id = cast(m.message_id as text) and a.receive_count = m.receive_count)"""

_FAILED_BY_RULE = record_changes(
    "failed", "abandoned", actor_kind="'rule'", actor="'max-receive-count'", action="'fail'", note="n.error"
)

# RECEIVE takes the next visible messages and does two things with them. A message below the maximum receive count is
# delivered: counted (unless its last delivery led to no attempt) and hidden. A spent message (its last permitted
# delivery led to an attempt) is not delivered again; it becomes
#   held     where a worker still has the ticket: it waits until that lease ends;
#   dead     in every other case; the ticket fails too, unless it is settled already.
# `materialized` makes Postgres evaluate `ready` once; inlined into each branch it would lock and count other rows there.
# `is_counted`: the receive count stands for an attempt, so that the next delivery counts anew.
# The last `order by`: an update returns its rows in any order.
RECEIVE = text(
    f"""
with ready as materialized (
  select m.message_id, m.ticket_id, m.receive_count, m.visible_at,
    case when m.receive_count = 0 then true else {_ATTEMPTED} end as is_counted
  from messages m where m.dead_at is null and m.visible_at <= now()
  order by m.visible_at, m.enqueued_at limit :limit for no key update skip locked
), exhausted as (
  select * from ready where is_counted and receive_count >= :max_receive_count
), abandoned as (
  select t.id, {TRACKED_COLUMNS} from tickets t
  where id in (select ticket_id from exhausted) and {CLAIMABLE}
  order by id for no key update skip locked
), failed as (
  update tickets t set status = 'failed', lease_token = null, lease_until = null, updated_at = now(),
    error = coalesce(t.error, 'no worker came to its end with it: its message was delivered too often')
  from abandoned where t.id = abandoned.id returning t.id, t.attempt, t.error, {TRACKED_COLUMNS}
), recorded as ({_FAILED_BY_RULE}
), lost as (
  update attempts a set ended_at = now(), outcome = 'lost', error = '{LEASE_EXPIRED}'
  from failed where a.ticket_id = failed.id and a.attempt <= failed.attempt and a.ended_at is null
), spent as (
  select exhausted.message_id, t.lease_until,
    failed.id is null and coalesce(t.status in ('new', 'processing'), false) as is_held,
    coalesce(failed.error, t.error, 'its ticket is ' || t.status || ' already', '{NO_SUCH_TICKET}') as reason
  from exhausted left join tickets t on t.id = exhausted.ticket_id
  left join failed on failed.id = exhausted.ticket_id
), dead as (
  update messages m set dead_at = now(), last_error = spent.reason
  from spent where m.message_id = spent.message_id and not spent.is_held
), held as (
  update messages m set visible_at = greatest(spent.lease_until, now() + interval '1 second')
  from spent where m.message_id = spent.message_id and spent.is_held
), delivered as (
  update messages m set receive_count = m.receive_count + cast(ready.is_counted as int),
    delivery_number = m.delivery_number + 1, visible_at = now() + cast(:hidden as interval)
  from ready where m.message_id = ready.message_id
    and ready.message_id not in (select message_id from exhausted)
  returning m.message_id, m.receive_count, m.delivery_number, m.enqueued_at, m.body, m.traceparent,
    ready.visible_at as was_visible_at
)
select message_id, receive_count, delivery_number, enqueued_at, body, traceparent, was_visible_at from delivered
union all select null, null, null, null, null, null, null from spent
order by was_visible_at, enqueued_at
"""  # noqa: S608 - only constants of this package are interpolated
).columns(
    Column("message_id", Uuid),
    Column("receive_count", Integer),
    Column("delivery_number", Integer),
    Column("enqueued_at", DateTime(timezone=True)),
    Column("body", Text),
    Column("traceparent", Text),
)
"""Returns the deliveries, and a row of nulls for each spent message: then there may be more, and the caller asks again."""

_LATEST = f"""
with latest as (
  select m.message_id, m.ticket_id, r.reason, {_ATTEMPTED} as is_attempted from messages m
  join ({json_rows("receipts", "message_id uuid, delivery_number int, reason text")}) r
    on r.message_id = m.message_id and r.delivery_number = m.delivery_number
  where m.dead_at is null order by m.message_id for update of m
)
"""  # noqa: S608 - as above
"""The messages whose latest delivery is among the receipts. A mapping that froze and thawed holds an older receipt, which
must settle nothing."""

DELETE = text(f"{_LATEST} delete from messages m using latest where m.message_id = latest.message_id")  # noqa: S608 - as above

# A message that no delivery can help, because its body is malformed (`reason`) or its ticket does not exist, becomes a
# dead letter at once. A spent message becomes visible at once: RECEIVE then decides what becomes of it.
RELEASE = text(
    f"""{_LATEST}, released as (
  select latest.message_id, coalesce(latest.reason, case when t.id is null then '{NO_SUCH_TICKET}' end) as reason,
    case when t.status = 'processing' and t.lease_until > now() then t.lease_until end as leased_until,
    latest.is_attempted
  from latest left join tickets t on t.id = latest.ticket_id
)
update messages m set
  dead_at = case when released.reason is not null then now() end,
  last_error = released.reason,
  visible_at = case
    when released.leased_until is not null then released.leased_until
    when released.is_attempted and m.receive_count >= :max_receive_count then now()
    else now() + least(interval '1 second' * power(2, least(m.delivery_number - 1, 16)), cast(:hidden as interval))
  end
from released where m.message_id = released.message_id
returning m.message_id, m.dead_at is not null or released.leased_until is null
  and released.is_attempted and m.receive_count >= :max_receive_count as is_given_up
"""  # noqa: S608 - as above
)
"""Makes messages visible again after 1, 2, 4 ... seconds, or when the lease on the ticket ends."""

EXTEND = text(
    f"""{_LATEST}
update messages m set visible_at = now() + cast(:hidden as interval)
from latest where m.message_id = latest.message_id
"""  # noqa: S608 - as above
)
"""Hides messages for another visibility timeout."""

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
  delete from messages m using dead where m.message_id = dead.message_id returning m.ticket_id, m.body, m.traceparent
)
"""  # noqa: S608 - as above

# A redriven message gets a new id. Under the old id its receive count would start at 1 again, and a receipt that a
# frozen worker still holds would match the new delivery.
REDRIVE = text(
    f"""{_REMOVED} insert into messages (ticket_id, body, traceparent)
    select ticket_id, body, traceparent from removed returning message_id"""  # noqa: S608 - as above
)

PURGE = text(f"{_REMOVED} select ticket_id from removed")  # noqa: S608 - as above
