"""Statements on approved replies that were not sent."""

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB

from ticketctl.postgres.json_params import json_values

UNSENT = "o.sent_at is null and o.draft is not null and jsonb_exists(o.set_by_human, 'draft')"
"""The condition for a ticket `o` with an approved reply that was not sent."""


def message_id(alias: str) -> str:
    """Return SQL for the Message-ID of a reply, without a domain. It cannot be guessed without the reply."""
    digest = f"left(encode(sha256(convert_to({alias}.draft, 'UTF8')), 'hex'), 16)"
    return f"format('<ticketctl-%s-%s>', {alias}.id, {digest})"


SELECT_UNSENT = text(
    f"""
select o.id as ticket_id, o.subject, o.requester, o.draft as text, {message_id("o")} as message_id,
  (select coalesce(jsonb_agg(key order by number), '[]') from (
    select o.idempotency_key as key, 0 as number where o.idempotency_key like '<%'
    union all select c.message_id, c.id from changes c
    where c.ticket_id = o.id and c.action = 'reply' and c.message_id is not null
  ) as mails) as answered
from tickets o
where o.status in ('processed', 'closed') and {UNSENT} and o.id > :after
  and (:is_every or o.id in ({json_values("ticket_ids", "bigint")}))
order by o.id limit :limit
"""  # noqa: S608 - only constants of this package are interpolated
).columns(answered=JSONB())
