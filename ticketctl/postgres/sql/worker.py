"""The worker's writes, each one statement, and what a person's creation of a ticket writes.

Every write of a claim's holder asks for its token: who lost the lease writes nothing.
"""

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.expression import TextualSelect

from ticketctl.postgres.json_params import rows_of, values_of
from ticketctl.postgres.schema import tickets

_NAMES = [column.name for column in tickets.columns]
_DECODED = {column.name: column.type for column in tickets.columns if isinstance(column.type, JSONB)}
_HUMAN_SET = ("category", "priority", "sentiment", "language", "team", "draft")


def _columns(alias: str) -> str:
    return ", ".join(f"{alias}.{name}" for name in _NAMES)


def _kept(name: str) -> str:
    """What a human set is never overwritten by a run."""
    return f"{name} = case when jsonb_exists(t.set_by_human, '{name}') then t.{name} else o.{name} end"


def _selecting(sql: str) -> TextualSelect:
    """Of the ticket's columns only those need a type that the driver does not decode by itself."""
    return text(sql).columns(**_DECODED)


# `do nothing` would answer a concurrent second caller with no row
CREATE = _selecting(
    f"""
with ticket as (
  insert into tickets (subject, body, requester, idempotency_key)
  values (:subject, :body, :requester, :idempotency_key)
  on conflict (idempotency_key) do update set idempotency_key = excluded.idempotency_key
  returning *, xmax = 0 as made
), message as (
  insert into messages (ticket_id, body)
  select id, format('{{"ticket_id": %s}}', id) from ticket where made
)
select {_columns("ticket")}, made from ticket
""",  # noqa: S608 - only names of columns are put in
)

CLOSE = _selecting(
    f"""
update tickets t set status = 'closed', lease_token = null, lease_until = null, updated_at = now()
where t.id = :ticket_id returning {_columns("t")}
"""  # noqa: S608 - only names of columns are put in
)

# skip locked: one frozen transaction must not hang the rest; order by: two batches that overlap cannot deadlock
CLAIM = _selecting(
    f"""
with wanted as (
  {rows_of("messages", "ticket_id bigint, message_id text, receive_count int")}
), free as (
  select id from tickets
  where id in (select ticket_id from wanted)
    and (status = 'new' or status = 'processing' and lease_until < now())
  order by id for no key update skip locked
), claimed as (
  update tickets t set status = 'processing', attempt = attempt + 1, lease_token = :token,
    lease_until = now() + cast(:lease as interval), updated_at = now()
  from free where t.id = free.id returning t.*
), tries as (
  insert into attempts (ticket_id, attempt, message_id, receive_count, environment_id)
  select claimed.id, claimed.attempt, wanted.message_id, wanted.receive_count, :environment_id
  from claimed join wanted on wanted.ticket_id = claimed.id
)
select {_columns("claimed")} from claimed
"""  # noqa: S608 - only names of columns are put in
)

KNOWN = text(
    f"select id, status, lease_until from tickets where id in ({values_of('ticket_ids', 'bigint')})"  # noqa: S608 - both parts are ours
)
"""Tells of tickets that were not free. Few claims need it, and every claim would pay for it."""

RESUME = text(
    f"""
with resumed as (
  {rows_of("claims", "ticket_id bigint, attempt int")}
), lost as (
  update attempts a set ended_at = now(), outcome = 'lost',
    error = 'the worker ended or froze: its lease ran out'
  from resumed r where a.ticket_id = r.ticket_id and a.attempt < r.attempt and a.ended_at is null
)
select s.ticket_id, s.step, s.output, s.provider, s.model, s.prompt_hash, s.input_tokens, s.output_tokens,
  s.duration_ms, s.sent
from resumed r join steps s on s.ticket_id = r.ticket_id
"""  # noqa: S608 - both parts are ours
).columns(output=JSONB())
"""Ends what earlier tries left open, and answers the steps that they saved."""


def _save_steps(holder: str, steps: str) -> str:
    """Insert or replace the steps that `steps` lists, for the tickets of `holder`."""
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
"""  # noqa: S608 - only what stands in this module is put in


SAVE_STEPS = text(
    f"""
with holder as (
  select id from tickets where id = :ticket_id and lease_token = :token for no key update
), saved as ({_save_steps("holder", "cast(:steps as jsonb)")})
select id from holder
"""  # noqa: S608 - both parts stand in this module
)

_OUTCOME = """ticket_id bigint, token uuid, status text, category text, priority text, sentiment text,
    language text, team text, draft text, confidence float8, extracted jsonb, steps jsonb"""

FINISH = text(
    f"""
with ended as (
  {rows_of("outcomes", _OUTCOME)}
), holder as (
  update tickets t set status = o.status, {", ".join(_kept(name) for name in _HUMAN_SET)},
    confidence = case when jsonb_exists(t.set_by_human, 'category') then t.confidence else o.confidence end,
    extracted = o.extracted, error = null,
    lease_token = null, lease_until = null, processed_at = now(), updated_at = now()
  from ended o where t.id = o.ticket_id and t.lease_token = o.token
  returning t.id, t.attempt, t.status, o.token, o.steps
), saved as ({_save_steps("holder", "holder.steps")}
), tried as (
  update attempts a set ended_at = now(), outcome = holder.status
  from holder where a.ticket_id = holder.id and a.attempt = holder.attempt
)
select id, token from holder
"""  # noqa: S608 - both parts and the names of columns stand in this module
)
"""Writes the outcomes of several runs, each under its token; answers those whose leases still held."""

# A connection that belongs to a dead loop sends its bytes before it errors: the claim may have taken effect
# although its caller never saw the answer. Then the token is ours and the try has its row; else both are made.
GIVE_BACK = text(
    f"""
with failed as (
  {rows_of("failures", "ticket_id bigint, message_id text, receive_count int, error text, final bool")}
), held as (
  select t.id from tickets t join failed f on t.id = f.ticket_id
  where t.lease_token = :token or t.status = 'new' order by t.id for no key update of t
), freed as (
  update tickets t set status = case when f.final then 'failed' else 'new' end, error = f.error,
    attempt = attempt + case when t.lease_token is null then 1 else 0 end,
    lease_token = null, lease_until = null, updated_at = now()
  from failed f join held on held.id = f.ticket_id where t.id = held.id
  returning t.id, t.attempt, t.error, f.message_id, f.receive_count
)
insert into attempts (ticket_id, attempt, ended_at, outcome, error, message_id, receive_count, environment_id)
select id, attempt, clock_timestamp(), 'failed', error, message_id, receive_count, :environment_id from freed
on conflict (ticket_id, attempt) do update
  set ended_at = excluded.ended_at, outcome = excluded.outcome, error = excluded.error
"""  # noqa: S608 - both parts are ours
)
