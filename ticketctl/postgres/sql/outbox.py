"""The outbox's statements: messages that wait in `messages` until they are sent to another queue."""

from sqlalchemy import text

from ticketctl.postgres.json_params import json_values

CLAIM = text(
    """
with waiting as (
  select message_id, visible_at from messages
  where visible_at <= now() and dead_at is null
    and (cast(:ticket_id as bigint) is null or ticket_id = :ticket_id)
  order by visible_at, enqueued_at limit :limit for no key update skip locked
), claimed as (
  update messages m set visible_at = now() + cast(:hidden as interval)
  from waiting where m.message_id = waiting.message_id
  returning m.message_id, m.ticket_id, m.enqueued_at, m.body, m.traceparent, waiting.visible_at as was_visible_at
)
select message_id, body, traceparent, (select requester from tickets t where t.id = ticket_id) as "group"
from claimed order by was_visible_at, enqueued_at
"""
)
"""Hides the next messages from other senders and returns them, the oldest first: a FIFO queue keeps this order."""

_LISTED = f"message_id in ({json_values('message_ids', 'uuid')})"
DELETE = text(f"delete from messages where {_LISTED}")  # noqa: S608 - only constants of this module are interpolated
RELEASE = text(f"update messages set visible_at = now() where {_LISTED}")  # noqa: S608 - as above
COUNT = text("select count(*) from messages where dead_at is null")
