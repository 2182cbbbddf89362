"""Statements for people's commands on tickets: create, list, show, close."""

import re
from typing import Any

from sqlalchemy import Column, ColumnElement, Select, TextClause, func, select, text, tuple_
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.expression import TextualSelect

from ticketctl.errors import InvalidInputError
from ticketctl.postgres import pagination
from ticketctl.postgres.schema import attempts, search_vector, steps, tickets
from ticketctl.postgres.sql.fragments import ticket_columns
from ticketctl.tickets.filters import FILTERS, FilterSpec, TicketFilter

SORTS = {
    "-created": tickets.c.created_at,
    "created": tickets.c.created_at,
    "-updated": tickets.c.updated_at,
    "updated": tickets.c.updated_at,
}
"""The sort orders of a list; a minus puts the newest ticket first."""

_JSON_COLUMNS = {column.name: column.type for column in tickets.columns if isinstance(column.type, JSONB)}


def returning_tickets(sql: str) -> TextualSelect:
    """Make a statement whose rows are tickets.

    Only the JSON columns are declared: the driver decodes every other type, and each declared column costs time per row.
    """
    return text(sql).columns(**_JSON_COLUMNS)


# `on conflict do nothing` would return no row to the second of two concurrent callers. An update returns the row that
# the first one wrote; it has a non-zero xmax, the inserted row has 0.
CREATE = returning_tickets(
    f"""
with ticket as (
  insert into tickets (subject, body, requester, idempotency_key)
  values (:subject, :body, :requester, :idempotency_key)
  on conflict (idempotency_key) do update set idempotency_key = excluded.idempotency_key
  returning *, xmax = 0 as created
), message as (
  insert into messages (ticket_id, body)
  select id, format('{{"ticket_id": %s}}', id) from ticket where created
)
select {ticket_columns("ticket")}, created from ticket
""",  # noqa: S608 - only column names are interpolated
)

CLOSE = returning_tickets(
    f"""
update tickets t set status = 'closed', lease_token = null, lease_until = null, updated_at = now()
where t.id = :ticket_id returning {ticket_columns("t")}
"""  # noqa: S608 - only column names are interpolated
)


def select_ticket(ticket_id: int) -> Select[Any]:
    """Select one ticket."""
    return select(tickets).where(tickets.c.id == ticket_id)


def select_steps(ticket_id: int) -> Select[Any]:
    """Select the saved steps of a ticket."""
    return select(steps).where(steps.c.ticket_id == ticket_id)


def select_attempts(ticket_id: int) -> Select[Any]:
    """Select the attempts of a ticket, the oldest first."""
    return select(attempts).where(attempts.c.ticket_id == ticket_id).order_by(attempts.c.attempt)


def select_matching(wanted: TicketFilter) -> Select[Any]:
    """Select the tickets that match a filter. Raises InvalidInputError for a search without words."""
    query = select(tickets)
    for name, spec in FILTERS.items():
        value = getattr(wanted, name)
        if value is not None:
            query = query.where(_condition(spec, value))
    return query


def _condition(spec: FilterSpec, value: Any) -> ColumnElement[bool] | TextClause:
    if spec.match == "words":
        condition = text(f"{search_vector} @@ to_tsquery('simple', :words)")
        return condition.bindparams(words=_tsquery(value))
    column: Column[Any] = tickets.c[spec.column]
    comparison: ColumnElement[bool] = column >= value if spec.match == "at_least" else column == value
    return comparison


def select_page(query: Select[Any], sort: str, after: str | None) -> Select[Any]:
    """Order a query and start it after a cursor. Raises InvalidInputError for an unknown order or a bad cursor."""
    if sort not in SORTS:
        raise InvalidInputError(f"there is no order {sort}", hint=f"it can be {', '.join(SORTS)}")
    time, newest_first = SORTS[sort], sort.startswith("-")
    key = tuple_(time, tickets.c.id)
    if after is not None:
        position = pagination.decode(after, sort)
        end = tuple_(position.time, position.ticket_id)
        query = query.where(key < end if newest_first else key > end)
    return query.order_by(*(column.desc() if newest_first else column for column in (time, tickets.c.id)))


def select_count(query: Select[Any]) -> Select[Any]:
    """Select the number of rows of a query."""
    return query.with_only_columns(func.count(), maintain_column_froms=True)


def _tsquery(search: str) -> str:
    """Return a tsquery that requires every word of the search, each as the beginning of a word."""
    words = re.findall(r"[^\W_]+", search)
    if not words:
        raise InvalidInputError("the search has no words", hint="search for letters or digits")
    return " & ".join(f"{word}:*" for word in words)
