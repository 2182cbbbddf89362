"""Statements that take back people's changes: of one ticket, or of all tickets that one command changed."""

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from ticketctl.postgres.json_params import json_values
from ticketctl.postgres.sql.changes import by_person, record_changes
from ticketctl.postgres.sql.decisions import BEFORE, MESSAGE_IF_NEW_AGAIN, RESULT_COLUMNS, TICKET, UNSEEN
from ticketctl.tickets.history import TRACKED_FIELDS

_CASTS = {"confidence": "float8", "sent_at": "timestamptz"}
_JSON_FIELDS = ("set_by_human", "tags")


def _restore(name: str) -> str:
    value = f"l.old -> '{name}'" if name in _JSON_FIELDS else f"l.old ->> '{name}'"
    value = f"cast({value} as {_CASTS[name]})" if name in _CASTS else value
    if name == "status":
        # the lease of a ticket that was being processed has ended: it becomes new, with a message
        value = "case when l.old ->> 'status' = 'processing' then 'new' else l.old ->> 'status' end"
    return f"{name} = case when jsonb_exists(l.old, '{name}') then {value} else o.{name} end"


_UNDONE = "exists(select from changes u where u.ticket_id = c.ticket_id and u.undoes = c.id)"
"""True for a change `c` that was taken back."""

# Only a person's newest change can be undone, and only while no worker, rule or import changed the ticket after it.
# A change that was undone is out of the way, so that a second undo takes back the change before. While this statement
# waits for the lock of a ticket, somebody may change it: the statement does not see that change in the history, only
# that the row has another time than in its own snapshot (`overtaken`).
UNDO = text(
    f"""{BEFORE}, snapshot as (
  select id, updated_at from tickets where id in ({json_values("ticket_ids", "bigint")})
), l as (
  select last.*, s.updated_at <> o.updated_at as overtaken, exists(
      select from attempts a where a.ticket_id = o.id and a.started_at > last.changed_at) as is_claimed
  from o join snapshot s on s.id = o.id cross join lateral (
    select c.* from changes c where c.ticket_id = o.id and c.action <> 'undo' and not {_UNDONE}
    order by c.id desc limit 1
  ) last
), allowed as (
  select * from l where actor_kind = 'person' and not is_claimed and not overtaken
    and (cast(:undone as bigint) is null or operation = cast(:undone as bigint))
), n as (
  update tickets t set {", ".join(_restore(name) for name in TRACKED_FIELDS)},
    lease_token = case when jsonb_exists(l.old, 'status') then null else o.lease_token end,
    lease_until = case when jsonb_exists(l.old, 'status') then null else o.lease_until end, updated_at = now()
  from o, allowed l where t.id = o.id and l.ticket_id = o.id and {UNSEEN} returning t.*
), recorded as ({
        record_changes(
            "n",
            "o",
            **by_person("'undo'"),
            note="(select l.action from l where l.ticket_id = n.id)",
            undoes="(select l.id from l where l.ticket_id = n.id)",
            where="true",
        )
    }){MESSAGE_IF_NEW_AGAIN}
select {TICKET}, l.action as last_action, l.actor_kind as last_kind, l.actor as last_actor,
  l.operation as last_operation, coalesce(l.is_claimed, false) as is_claimed, coalesce(l.overtaken, false) as overtaken,
  exists(select from changes c where c.operation = cast(:undone as bigint) and c.ticket_id = o.id and {
        _UNDONE
    }) as was_undone
from o left join n on n.id = o.id left join l on l.ticket_id = o.id order by o.id
"""  # noqa: S608 - only constants of this package are interpolated
).columns(
    *RESULT_COLUMNS,
    Column("last_action", Text),
    Column("last_kind", Text),
    Column("last_actor", Text),
    Column("last_operation", BigInteger),
    Column("is_claimed", Boolean),
    Column("overtaken", Boolean),
    Column("was_undone", Boolean),
)
"""`:undone` is the operation to take back; null for any."""

SELECT_OPERATION = text(
    """
select c.operation as id, min(c.changed_at) as started_at, min(c.actor) as actor, min(c.action) as action,
  jsonb_agg(distinct c.ticket_id order by c.ticket_id) as ticket_ids
from changes c where c.operation = :operation group by c.operation
"""
).columns(
    Column("id", BigInteger),
    Column("started_at", DateTime(timezone=True)),
    Column("actor", Text),
    Column("action", Text),
    Column("ticket_ids", JSONB),
)

SELECT_LAST_OPERATION = text(
    f"""
select c.operation from changes c
where c.operation is not null and c.actor_kind = :actor_kind and c.actor = :actor and c.action <> 'undo' and not {_UNDONE}
order by c.operation desc limit 1
"""  # noqa: S608 - as above
).columns(Column("operation", BigInteger))
"""Returns the newest operation of a person that was not taken back on each of its tickets."""
