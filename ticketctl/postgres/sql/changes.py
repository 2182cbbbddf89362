"""Statements on the history, and the piece of SQL with which every other statement writes it."""

from sqlalchemy import text

from ticketctl.postgres.schema import changes
from ticketctl.tickets.history import TRACKED_FIELDS

TRACKED_COLUMNS = ", ".join(f"t.{name}" for name in TRACKED_FIELDS)
"""The columns that `record_changes` compares, of the table `t`."""

_VALUES = ", ".join(f"('{name}', to_jsonb(o.{name}), to_jsonb(n.{name}))" for name in TRACKED_FIELDS)


def record_changes(  # noqa: PLR0913 - one parameter per column of the row
    new: str,
    old: str,
    *,
    actor_kind: str,
    actor: str,
    action: str,
    note: str = "null",
    engine: str = "null",
    undoes: str = "null",
    message_id: str = "null",
    operation: str = "null",
    where: str = "c.old <> '{}'",
) -> str:
    """Return an insert that compares the CTEs `new` and `old` (`n` and `o`) and writes one row per changed ticket.

    The other parameters are SQL expressions over `n`, `o` and `c` (`c.old`, `c.new`: the fields that differ).
    """
    return f"""
  insert into changes (ticket_id, actor_kind, actor, action, old, new, note, engine, undoes, message_id, operation)
  select n.id, {actor_kind}, {actor}, {action}, c.old, c.new, {note}, {engine}, {undoes}, {message_id}, {operation}
  from {new} n join {old} o on o.id = n.id cross join lateral (
    select coalesce(jsonb_object_agg(name, before), '{{}}') as old, coalesce(jsonb_object_agg(name, after), '{{}}') as new
    from (values {_VALUES}) as field(name, before, after) where before is distinct from after
  ) c where {where}
"""  # noqa: S608 - only constants of this package are interpolated


def by_person(action: str = ":action") -> dict[str, str]:
    """Return the actor's parameters of `record_changes`, for a statement with the CTE `OPERATION`.

    The statement has the parameters `actor_kind`, `actor` and `operation` (null for the first of a command).
    """
    return {
        "actor_kind": "cast(:actor_kind as text)",
        "actor": "cast(:actor as text)",
        "action": f"cast({action} as text)",
        "operation": "(select id from operation)",
    }


OPERATION = """operation as materialized (
  select coalesce(cast(:operation as bigint),
    case when cast(:actor_kind as text) = 'person' then nextval('changes_id_seq') end) as id
)"""
"""The CTE that a statement with `by_person` needs: the number of the person's command, which the first statement chooses.

The sequence of the changes numbers the operations too, so that an operation has a lower number than each of its changes.
"""


SELECT_CHANGES = text(
    "select id, changed_at, actor_kind, actor, action, old, new, note, engine, undoes, message_id, operation from changes "
    "where ticket_id = :ticket_id order by id"
).columns(*(column for column in changes.columns if column.name != "ticket_id"))

SELECT_NOTES = text(
    """
select changed_at as written_at, actor_kind, actor, note as text from changes c
where ticket_id = :ticket_id and action in ('note', 'reply')
  and not exists(select from changes u where u.ticket_id = c.ticket_id and u.undoes = c.id)
order by id
"""
)
"""Returns the notes of a ticket that were not taken back."""
