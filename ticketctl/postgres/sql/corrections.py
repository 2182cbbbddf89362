"""The statement that reads people's decisions on categories."""

from sqlalchemy import text

SELECT_CORRECTIONS = text(
    """
select distinct on (c.ticket_id) c.ticket_id, c.changed_at as decided_at, c.actor, c.action, t.subject, t.body,
       t.category, t.team, c.engine ->> 'category' as predicted,
       coalesce((c.engine ->> 'confidence')::float8, 0) as confidence, coalesce(c.engine ->> 'model', '') as model
from changes c join tickets t on t.id = c.ticket_id
where c.actor_kind = 'person' and c.action in ('set', 'approve') and c.engine is not null
  and t.category is not null and t.set_by_human @> '["category"]'
  and c.changed_at >= coalesce(cast(:since as timestamptz), '-infinity')
  and not exists(select from changes u where u.ticket_id = c.ticket_id and u.undoes = c.id)
order by c.ticket_id, c.id desc
"""
)
"""The last decision on each ticket counts: its category stands in the ticket's row."""
