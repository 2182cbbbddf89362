"""Statements that import tickets."""

from sqlalchemy import text

from ticketctl.postgres.json_params import json_rows, json_values

_COLUMNS = """position int, subject text, body text, requester text, idempotency_key text, created_at timestamptz, assignee text,
    tags jsonb, status text"""

# Known keys are left out before the insert: one that conflicts uses up a ticket number.
CREATE_MANY = text(
    f"""
with wanted as (
  {json_rows("tickets", _COLUMNS)}
), ticket as (
  insert into tickets (subject, body, requester, idempotency_key, created_at, updated_at, assignee, tags, status, created_by)
  select subject, body, requester, idempotency_key, coalesce(created_at, now()), now(), assignee, tags, status,
    cast(:created_by as text)
  from wanted w
  where not exists(select from tickets t where t.idempotency_key = w.idempotency_key) order by position
  on conflict (idempotency_key) do nothing
  returning id, idempotency_key, status
), message as (
  insert into messages (ticket_id, body, traceparent)
  select id, format('{{"ticket_id": %s}}', id), cast(:traceparent as text) from ticket where status = 'new'
)
select id, idempotency_key from ticket
"""  # noqa: S608 - only constants of this package are interpolated
)

FIND_KEYS = text(
    f"""
with wanted as (select key from ({json_values("keys", "text")}) as listed(key))
select t.idempotency_key as key, t.id from wanted join tickets t on t.idempotency_key = wanted.key
union all
select c.message_id, c.ticket_id from wanted join changes c on c.message_id = wanted.key
"""  # noqa: S608 - as above
)
"""Returns the tickets that were imported under a key, or that a mail with this id belongs to."""
