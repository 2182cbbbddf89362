"""Statements with which a person decides on a ticket. They return the ticket as it then is, or no row."""

from sqlalchemy import text
from sqlalchemy.sql.expression import TextualSelect

from ticketctl.postgres.schema import tickets
from ticketctl.postgres.sql.fragments import ticket_columns
from ticketctl.tickets.models import EDITABLE_FIELDS

_SET_IF_GIVEN = ", ".join(
    f"{name} = coalesce(:{name}, t.{name})" for name in EDITABLE_FIELDS if name != "team"
)
_FIELD_VALUES = ", ".join(f"('{name}', t.{name})" for name in EDITABLE_FIELDS)


def _decide(update: str, error: str) -> TextualSelect:
    """Make a statement that updates a ticket and writes the decision on the ticket's last attempt."""
    return text(
        f"""
with t as ({update} returning t.*
), decided as (
  update attempts a set outcome = :decision, error = {error}
  from t where a.ticket_id = t.id and a.attempt = t.attempt
)
select {ticket_columns("t")} from t
"""  # noqa: S608 - only constants of this package are interpolated
    ).columns(*tickets.columns)


# Each parameter is null where the person did not set that field. A category that a person chose has confidence 1.
# The route follows the corrected fields, except where a person chose the team, or where a worker is about to route.
SET_FIELDS = text(
    f"""
update tickets t set
  {_SET_IF_GIVEN},
  team = coalesce(:team, case when jsonb_exists(t.set_by_human, 'team') or t.status = 'processing'
    then t.team else :routed end, t.team),
  confidence = case when cast(:category as text) is null then t.confidence else 1 end,
  set_by_human = (select jsonb_agg(distinct name order by name)
    from jsonb_array_elements_text(t.set_by_human || cast(:names as jsonb)) as name),
  updated_at = now()
where t.id = :ticket_id returning {ticket_columns("t")}
"""  # noqa: S608 - as above
).columns(*tickets.columns)

# Approval makes every field that has a value the person's own; a draft that was rejected before stays rejected.
APPROVE = _decide(
    f"""
  update tickets t set status = 'processed',
    confidence = case when t.category is null then t.confidence else 1 end,
    set_by_human = (select coalesce(jsonb_agg(name order by name), '[]')
      from (values {_FIELD_VALUES}) as field(name, value)
      where field.value is not null or jsonb_exists(t.set_by_human, field.name)),
    updated_at = now()
  where t.id = :ticket_id and t.status in ('needs_review', 'processed')""",  # noqa: S608 - as above
    error="a.error",
)

# A rejected draft counts as set by the person, so that no later run writes another one.
REJECT = _decide(
    """
  update tickets t set status = 'processed', draft = null,
    set_by_human = (select jsonb_agg(distinct name order by name)
      from jsonb_array_elements_text(t.set_by_human || '["draft"]') as name),
    updated_at = now()
  where t.id = :ticket_id and t.status in ('needs_review', 'processed')""",
    error="coalesce(:reason, a.error)",
)
