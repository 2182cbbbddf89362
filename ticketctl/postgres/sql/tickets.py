"""Statements for people's commands on tickets: create, list, show, close."""

import re
from typing import Any

from sqlalchemy import Column, ColumnElement, Select, TextClause, func, literal, select, text, tuple_
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.expression import TextualSelect

from ticketctl.errors import InvalidInputError
from ticketctl.postgres import pagination
from ticketctl.postgres.schema import attempts, search_vector, steps, tickets
from ticketctl.postgres.sql.fragments import ticket_columns
from ticketctl.tickets.filters import FILTERS, FilterSpec, TicketFilter
from ticketctl.tickets.sorting import SORT_COLUMNS, SORTS

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
        if value is not None and value != ():
            query = query.where(_condition(spec, value))
    return query


def _condition(spec: FilterSpec, value: Any) -> ColumnElement[bool] | TextClause:
    if spec.match == "words":
        condition = text(f"{search_vector} @@ to_tsquery('simple', :words)")
        return condition.bindparams(words=_tsquery(value))
    column: Column[Any] = tickets.c[spec.column]
    comparison: ColumnElement[bool]
    match spec.match:
        case "at_least":
            comparison = column >= value
        case "below":
            comparison = column < value
        case _:
            comparison = column == value[0] if len(value) == 1 else column.in_(value)
    return comparison


def select_page(query: Select[Any], sort: str, after: str | None) -> Select[Any]:
    """Order a query and start it after a cursor. Raises InvalidInputError for an unknown order or a bad cursor."""
    if sort not in SORTS:
        raise InvalidInputError(f"there is no order {sort}", hint=f"it can be {', '.join(SORTS)}")
    column, is_descending = _sort_key(sort), sort.startswith("-")
    key = tuple_(column, tickets.c.id)
    if after is not None:
        position = pagination.decode(after, sort)
        end = tuple_(literal(position.value, column.type), position.ticket_id)
        query = query.where(key < end if is_descending else key > end)
    return query.order_by(*(part.desc() if is_descending else part for part in (column, tickets.c.id)))


def _sort_key(sort: str) -> ColumnElement[Any]:
    """Return the column of an order. A missing value sorts first: a row comparison with null selects nothing."""
    column = tickets.c[SORT_COLUMNS[sort.removeprefix("-")]]
    if not column.nullable:
        return column
    return func.coalesce(column, pagination.MISSING_NUMBER if column.name == "confidence" else "")


def select_count(query: Select[Any]) -> Select[Any]:
    """Select the number of rows of a query."""
    return query.with_only_columns(func.count(), maintain_column_froms=True)


def _tsquery(search: str) -> str:
    """Return a tsquery that requires every word of the search, each as the beginning of a word."""
    words = re.findall(r"[^\W_]+", search)
    if not words:
        raise InvalidInputError("the search has no words", hint="search for letters or digits")
    return " & ".join(f"{word}:*" for word in words)
