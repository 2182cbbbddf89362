"""Statements with which a person changes tickets, up to some hundreds at once, each with its row in the history.

Each returns one row per ticket that exists: the ticket as it then is, whether it changed (`is_changed`), and its status
and time of change before.
"""

from collections.abc import Mapping
from types import MappingProxyType

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Text, text
from sqlalchemy.sql.expression import TextualSelect

from ticketctl.postgres.json_params import json_values
from ticketctl.postgres.schema import tickets
from ticketctl.postgres.sql.changes import OPERATION, by_person, record_changes
from ticketctl.postgres.sql.fragments import claimable
from ticketctl.postgres.sql.replies import UNSENT, message_id
from ticketctl.tickets.models import EDITABLE_FIELDS

BEFORE = f"""
with {OPERATION}, o as (
  select t.* from tickets t where id in ({json_values("ticket_ids", "bigint")}) order by id for no key update
)"""  # noqa: S608 - only constants of this package are interpolated

UNSEEN = "(cast(:seen as timestamptz) is null or o.updated_at = cast(:seen as timestamptz))"
"""True unless someone changed the ticket after the caller read it."""

_COLUMNS = ", ".join(
    f"case when n.id is null then o.{column.name} else n.{column.name} end as {column.name}"
    for column in tickets.columns
)
_STATE = (
    "n.id is not null as is_changed, o.status as status_before, o.updated_at as updated_before, "
    "(select id from operation) as operation"
)
TICKET = f"{_STATE}, {_COLUMNS}"
"""The columns of the result: whether the ticket changed, what it was before, and what it is now."""

_RESULT = f"""
select {TICKET}
from o left join n on n.id = o.id order by o.id
"""  # noqa: S608 - as above

_MESSAGES = """, message as (
  insert into messages (ticket_id, body, traceparent)
  select id, format('{"ticket_id": %s}', id), cast(:traceparent as text) from n where status = 'new'
)"""

MESSAGE_IF_NEW_AGAIN = """, message as (
  insert into messages (ticket_id, body, traceparent)
  select n.id, format('{"ticket_id": %s}', n.id), cast(:traceparent as text)
  from n join o on o.id = n.id where n.status = 'new' and o.status <> 'new'
)"""

RESULT_COLUMNS = (
    Column("is_changed", Boolean),
    Column("status_before", Text),
    Column("updated_before", DateTime(timezone=True)),
    Column("operation", BigInteger),
    *tickets.columns,
)

# What the classification step said, where a person decides on its fields: the evidence for a correction.
_ENGINE = """(select jsonb_build_object('category', s.output -> 'category', 'priority', s.output -> 'priority',
    'sentiment', s.output -> 'sentiment', 'language', s.output -> 'language',
    'confidence', s.output -> 'confidence', 'method', s.output -> 'method', 'model', s.model)
    from steps s where s.ticket_id = n.id and s.step = 'classify')"""


def _decide(
    values: str,
    *,
    condition: str = "true",
    more: str = "",
    note: str = "cast(:note as text)",
    engine: str = "null",
    message_id: str = "null",
    where: str = "c.old <> '{}'",
) -> TextualSelect:
    """Make a statement that sets `values` on the tickets `o` that meet the condition."""
    recorded = record_changes(
        "n", "o", **by_person(), note=note, engine=engine, message_id=message_id, where=where
    )
    return text(
        f"""{BEFORE}, n as (
  update tickets t set {values}, updated_at = now()
  from o where t.id = o.id and {UNSEEN} and {condition} returning t.*
), recorded as ({recorded}){more}
{_RESULT}"""  # noqa: S608 - as above
    ).columns(*RESULT_COLUMNS)


_MESSAGE_ID = "cast(:message_ids as jsonb) ->> cast(n.id as text)"
# A reply whose sending was undone, and that is sent again, keeps its id on the first change.
_UNUSED_ID = f"""case when not exists(select from changes c where c.message_id = {message_id("n")}) then {message_id("n")} end"""
_REVIEWABLE = "o.status in ('needs_review', 'processed')"
_DECIDED = """, decided as (
  update attempts a set outcome = cast(:outcome as text), error = coalesce(cast(:note as text), a.error)
  from n where a.ticket_id = n.id and a.attempt = n.attempt
)"""
_CLAIMABLE = claimable("o.")
_DRAFT = "coalesce(cast(:drafts as jsonb) ->> cast(o.id as text), o.draft)"
_FIELD_VALUES = ", ".join(f"('{name}', o.{name})" for name in EDITABLE_FIELDS)
_ALL_SET = f"""(select coalesce(jsonb_agg(name order by name), '[]') from (values {_FIELD_VALUES}) as field(name, value)
      where field.value is not null or jsonb_exists(o.set_by_human, field.name))"""  # noqa: S608 - as above
_SET_IF_GIVEN = ", ".join(
    f"{name} = coalesce(cast(:values as jsonb) ->> '{name}', o.{name})"
    for name in EDITABLE_FIELDS
    if name != "team"
)

DECISIONS: Mapping[str, TextualSelect] = MappingProxyType(
    {
        "close": _decide("status = 'closed', lease_token = null, lease_until = null", condition="o.status <> 'closed'"),
        # A ticket that was processed before it was closed needs a person; another one is queued again.
        "reopen": _decide(
            "status = case when o.processed_at is null then 'new' else 'needs_review' end",
            condition="o.status = 'closed'",
            more=_MESSAGES,
        ),
        # A category that a person chose has confidence 1. The route follows the corrected fields (`routed`), except
        # where a person chose the team, or where a worker is about to route.
        "set": _decide(
            f"""{_SET_IF_GIVEN},
    team = coalesce(cast(:values as jsonb) ->> 'team', case when jsonb_exists(o.set_by_human, 'team')
      or o.status = 'processing' then o.team else cast(:routed as jsonb) ->> cast(o.id as text) end, o.team),
    confidence = case when jsonb_exists(cast(:values as jsonb), 'category') then 1 else o.confidence end,
    sent_at = case when jsonb_exists(cast(:values as jsonb), 'draft') then null else o.sent_at end,
    set_by_human = (select jsonb_agg(distinct name order by name) from (
      select jsonb_array_elements_text(o.set_by_human) union all select jsonb_object_keys(cast(:values as jsonb))
    ) as field(name))""",  # noqa: S608 - as above
            engine=_ENGINE,
        ),
        # Approval makes every field that has a value the person's own; a draft that was rejected before stays rejected.
        "approve": _decide(
            f"""status = 'processed', confidence = case when o.category is null then o.confidence else 1 end,
    set_by_human = {_ALL_SET}""",
            condition=f"{_REVIEWABLE} and (o.status <> 'processed' or o.set_by_human is distinct from {_ALL_SET})",
            more=_DECIDED,
            engine=_ENGINE,
        ),
        # A rejected draft counts as set by the person, so that no later run writes another one.
        "reject": _decide(
            """status = 'processed', draft = null, set_by_human = (select jsonb_agg(distinct name order by name)
      from jsonb_array_elements_text(o.set_by_human || '["draft"]') as name)""",
            condition=_REVIEWABLE,
            more=_DECIDED,
            engine=_ENGINE,
        ),
        # The ticket's old messages are deleted, because a worker that holds a receipt for one of them could settle it.
        "retry": _decide(
            "status = 'new', lease_token = null, lease_until = null",
            condition=f"(o.status in ('failed', 'needs_review') or {_CLAIMABLE})",
            more=f""", old as (
  select message_id from messages where ticket_id in (select id from n) order by message_id for update
), removed as (
  delete from messages m using old where m.message_id = old.message_id
){_MESSAGES}""",  # noqa: S608 - as above
            where="true",
        ),
        # Another draft of the program. A draft that a person wrote, approved or rejected stays.
        "redraft": _decide(
            f"draft = {_DRAFT}, sent_at = null",
            condition=f"{_REVIEWABLE} and not jsonb_exists(o.set_by_human, 'draft') and o.draft is distinct from {_DRAFT}",
        ),
        "assign": _decide(
            "assignee = cast(:values as jsonb) ->> 'assignee'",
            condition="o.assignee is distinct from cast(:values as jsonb) ->> 'assignee'",
        ),
        "tag": _decide(
            """tags = (select jsonb_agg(distinct name order by name)
      from jsonb_array_elements_text(o.tags || (cast(:values as jsonb) -> 'tags')) as name)""",
            condition="not o.tags @> (cast(:values as jsonb) -> 'tags')",
        ),
        "untag": _decide(
            """tags = (select coalesce(jsonb_agg(name order by name), '[]') from jsonb_array_elements_text(o.tags) as name
      where not jsonb_exists(cast(:values as jsonb) -> 'tags', name))""",
            condition="jsonb_exists(o.tags, cast(:values as jsonb) -> 'tags' ->> 0)",
        ),
        "note": _decide("status = o.status", where="true"),
        # A draft that was sent. Another draft, or the requester's reply, makes it unsent again.
        "send": _decide(
            "sent_at = now()",
            message_id=_UNUSED_ID,
            condition=f"{UNSENT} and o.status in ('processed', 'closed')",
        ),
        # A requester's reply. It reopens a ticket that is settled: a person must read it.
        "reply": _decide(
            """status = case when o.status in ('closed', 'processed') and o.processed_at is not null then 'needs_review'
      when o.status = 'closed' then 'new' else o.status end, sent_at = null""",
            condition=f"not exists(select from changes c where c.message_id = {_MESSAGE_ID.replace('n.', 'o.')})",
            message_id=_MESSAGE_ID,
            more=MESSAGE_IF_NEW_AGAIN,
            where="true",
        ),
    }
)  # fmt: skip
"""The statement of each decision. `:values` is a JSON object, `:note` a text or null, `:seen` a time or null."""

QUEUING = frozenset({"reopen", "reply", "retry"})
"""The decisions that may queue a ticket again. Their messages carry `:traceparent`, a text or null."""
