"""The worker's statements. Each write is one statement, so that autocommit makes it atomic.

Every write after the claim requires the claim's lease token: a worker that lost its lease writes nothing.
"""

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB

from ticketctl.postgres.json_params import json_rows, json_values
from ticketctl.postgres.sql.changes import TRACKED_COLUMNS, record_changes
from ticketctl.postgres.sql.fragments import CLAIMABLE, LEASE_EXPIRED, ticket_columns
from ticketctl.postgres.sql.tickets import returning_tickets
from ticketctl.tickets.models import EDITABLE_FIELDS

# `skip locked`: one frozen transaction must not block the other tickets. `no key update`: inserting an attempt, whose
# foreign key locks the ticket for key share, does not conflict.
# `order by`: Postgres does not skip a row in one case. If the transaction that changed the row ends just when the claim
# looks at it, Postgres follows the row to its newer version (heap_lock_updated_tuple), and waits where yet another
# transaction is changing that one. No clause prevents this wait, so it must not close a circle: every statement that
# locks several tickets locks them by id.
CLAIM = returning_tickets(
    f"""
with wanted as (
  {json_rows("messages", "ticket_id bigint, message_id text, receive_count int")}
), free as (
  select id from tickets
  where id in (select ticket_id from wanted) and {CLAIMABLE}
  order by id for no key update skip locked
), claimed as (
  update tickets t set status = 'processing', attempt = attempt + 1, lease_token = :token,
    lease_until = now() + cast(:lease as interval), updated_at = now()
  from free where t.id = free.id returning t.*
), started as (
  insert into attempts (ticket_id, attempt, message_id, receive_count, environment_id)
  select claimed.id, claimed.attempt, wanted.message_id, wanted.receive_count, :environment_id
  from claimed join wanted on wanted.ticket_id = claimed.id
)
select {ticket_columns("claimed")} from claimed
"""  # noqa: S608 - only constants of this package are interpolated
)
"""Leases the free tickets among the messages' tickets, starts an attempt for each and returns them."""

WRITE_ERROR = text(
    f"""
with waiting as (
  select id from tickets where id in ({json_values("ticket_ids", "bigint")}) and status = 'new'
  order by id for no key update skip locked
)
update tickets t set error = :error, updated_at = now() from waiting where t.id = waiting.id
"""  # noqa: S608 - as above
)
"""Writes why tickets could not be claimed; those that a worker has claimed meanwhile are left alone."""

SELECT_LEASES = text(
    f"select id, status, lease_until from tickets where id in ({json_values('ticket_ids', 'bigint')})"  # noqa: S608 - as above
)
"""Returns why tickets could not be claimed. A statement of its own: few batches need it, every claim would pay for it."""

RESUME = text(
    f"""
with resumed as (
  {json_rows("claims", "ticket_id bigint, attempt int")}
), lost as (
  update attempts a set ended_at = now(), outcome = 'lost', error = '{LEASE_EXPIRED}'
  from resumed r where a.ticket_id = r.ticket_id and a.attempt < r.attempt and a.ended_at is null
)
select s.ticket_id, s.step, s.output, s.provider, s.model, s.prompt_hash, s.input_tokens, s.output_tokens,
  s.duration_ms, s.sent
from resumed r join steps s on s.ticket_id = r.ticket_id
"""  # noqa: S608 - as above
).columns(output=JSONB())
"""Ends the attempts that earlier workers left open, and returns the steps that they saved."""


def _unless_set_by_human(name: str) -> str:
    """Assign a field from the result `o`, except where a person set it: a run never overwrites that."""
    return f"{name} = case when jsonb_exists(t.set_by_human, '{name}') then t.{name} else o.{name} end"


def _save_steps(holder: str, steps: str) -> str:
    """Insert or replace the steps in the JSON expression `steps`, for the tickets of the CTE `holder`."""
    return f"""
  insert into steps (ticket_id, step, output, provider, model, prompt_hash, input_tokens, output_tokens,
    duration_ms, sent)
  select {holder}.id, s.step, s.output, s.provider, s.model, s.prompt_hash, s.input_tokens, s.output_tokens,
    s.duration_ms, s.sent
  from {holder}, jsonb_to_recordset({steps}) as s(step text, output jsonb, provider text, model text,
    prompt_hash text, input_tokens int, output_tokens int, duration_ms float8, sent text)
  on conflict (ticket_id, step) do update set output = excluded.output, provider = excluded.provider,
    model = excluded.model, prompt_hash = excluded.prompt_hash, input_tokens = excluded.input_tokens,
    output_tokens = excluded.output_tokens, duration_ms = excluded.duration_ms, sent = excluded.sent,
    created_at = now()
"""  # noqa: S608 - as above


SAVE_STEPS = text(
    f"""
with holder as (
  select id from tickets where id = :ticket_id and lease_token = :token for no key update
), saved as ({_save_steps("holder", "cast(:steps as jsonb)")})
select id from holder
"""  # noqa: S608 - as above
)
"""Saves steps of one ticket; returns no row where the lease is lost."""

_RESULT_COLUMNS = """ticket_id bigint, token uuid, status text, category text, priority text, sentiment text,
    language text, team text, draft text, confidence float8, extracted jsonb, steps jsonb"""

_FINISHED = record_changes(
    "holder",
    "held",
    actor_kind="'worker'",
    actor="coalesce((select environment_id from ended where ticket_id = n.id), 'unknown')",
    action="'finish'",
)
FINISH = text(
    f"""
with result as (
  {json_rows("results", _RESULT_COLUMNS)}
), held as (
  select t.id, {TRACKED_COLUMNS} from tickets t join result o on t.id = o.ticket_id and t.lease_token = o.token
  order by t.id for no key update of t
), holder as (
  update tickets t set status = o.status, {", ".join(_unless_set_by_human(name) for name in EDITABLE_FIELDS)},
    confidence = case when jsonb_exists(t.set_by_human, 'category') then t.confidence else o.confidence end,
    extracted = o.extracted, error = null,
    lease_token = null, lease_until = null, processed_at = now(), updated_at = now()
  from result o join held on held.id = o.ticket_id where t.id = held.id and t.lease_token = o.token
  returning t.id, t.attempt, {TRACKED_COLUMNS}, o.token, o.steps
), saved as ({_save_steps("holder", "holder.steps")}
), ended as (
  update attempts a set ended_at = now(), outcome = holder.status
  from holder where a.ticket_id = holder.id and a.attempt = holder.attempt returning a.ticket_id, a.environment_id
), recorded as ({_FINISHED})
select id, token from holder
"""  # noqa: S608 - as above
)
"""Writes the results of several runs, each under its token; returns the runs whose leases still held."""

EXTEND_LEASES = text(
    f"""
with held as (
  select id from tickets where id in ({json_values("ticket_ids", "bigint")}) and lease_token = :token
  order by id for no key update
)
update tickets t set lease_until = now() + cast(:lease as interval) from held where t.id = held.id
"""  # noqa: S608 - as above
)
"""Lets the leases that a token still holds end later."""

_FAILED = record_changes(
    "released",
    "held",
    actor_kind="'worker'",
    actor="cast(:environment_id as text)",
    action="'fail'",
    note="n.error",
    where="n.status = 'failed'",
)

# A connection that is bound to a closed event loop sends its bytes before it raises: the claim may have taken effect
# although the worker never saw the answer. Then the ticket has our token and the attempt its row. Where the claim did
# not reach the server the ticket is still new, and this statement writes the attempt.
# For a record that was not attempted it is the other way round: a claim that took effect is undone, because the row of
# an attempt is what makes a delivery count. An attempt that only ran out of time keeps its row without a receive count:
# the embedded queue finds no attempt of that delivery then, and does not count it.
RELEASE = text(
    f"""
with failed as (
  {json_rows("failures", "ticket_id bigint, message_id text, receive_count int, error text, final bool, attempted bool, spent bool")}
), held as (
  select t.id, {TRACKED_COLUMNS} from tickets t join failed f on t.id = f.ticket_id
  where t.lease_token = :token or t.status = 'new' order by t.id for no key update of t
), released as (
  update tickets t set status = case when f.final then 'failed' else 'new' end, error = f.error,
    attempt = attempt + case when f.attempted and t.lease_token is null then 1
      when not f.attempted and t.lease_token is not null then -1 else 0 end,
    lease_token = null, lease_until = null, updated_at = now()
  from failed f join held on held.id = f.ticket_id where t.id = held.id
  returning t.id, t.attempt, t.error, {TRACKED_COLUMNS}, f.message_id, f.attempted,
    case when f.spent then f.receive_count end as receive_count
), recorded as ({_FAILED}
), undone as (
  delete from attempts a using released r where not r.attempted and a.ticket_id = r.id and a.attempt > r.attempt
)
insert into attempts (ticket_id, attempt, ended_at, outcome, error, message_id, receive_count, environment_id)
select id, attempt, clock_timestamp(), 'failed', error, message_id, receive_count, :environment_id from released
where attempted
on conflict (ticket_id, attempt) do update
  set ended_at = excluded.ended_at, outcome = excluded.outcome, error = excluded.error,
    receive_count = case when excluded.receive_count is not null then attempts.receive_count end
"""  # noqa: S608 - as above
)
"""Writes errors on tickets, ends their attempts and releases the leases; a `final` failure fails the ticket."""
