"""Statements for people's commands on tickets: create, list, show."""

import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Select,
    Text,
    TextClause,
    and_,
    any_,
    cast,
    func,
    literal,
    literal_column,
    null,
    or_,
    select,
    text,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlalchemy.sql.expression import TextualSelect

from ticketctl.errors import InvalidInputError
from ticketctl.postgres import pagination
from ticketctl.postgres.schema import attempts, search_vectors, steps, tickets
from ticketctl.postgres.sql.fragments import ticket_columns
from ticketctl.tickets.filters import FILTERS, FilterSpec, TicketFilter
from ticketctl.tickets.sorting import SORT_COLUMNS, SORTS

_INDEXED_ORDERS = ("created_at", "updated_at")
"""Columns by which tickets can be read in order without sorting them."""
_WINDOW_PAGES = 10
"""Pages of tickets that a search tests one by one before it asks the index. More would help with words that are in less
than a tenth of the tickets; but every search for a rarer word pays for it."""
_JSON_COLUMNS = {column.name: column.type for column in tickets.columns if isinstance(column.type, JSONB)}


def returning_tickets(sql: str) -> TextualSelect:
    """Make a statement whose rows are tickets.

    Only the JSON columns are declared: the driver decodes every other type, and each declared column costs time per row.
    """
    return text(sql).columns(**_JSON_COLUMNS)


# A key that exists already is looked up first: an insert that conflicts uses up a ticket number.
# `on conflict do nothing` would return no row to the second of two concurrent callers. An update returns the row that
# the first one wrote; it has a non-zero xmax, the inserted row has 0.
CREATE = returning_tickets(
    f"""
with known as (
  select * from tickets where idempotency_key = :idempotency_key
), ticket as (
  insert into tickets (subject, body, requester, idempotency_key, created_by)
  select :subject, :body, :requester, :idempotency_key, :created_by where not exists(select from known)
  on conflict (idempotency_key) do update set idempotency_key = excluded.idempotency_key
  returning *, xmax = 0 as created
), message as (
  insert into messages (ticket_id, body, traceparent)
  select id, format('{{"ticket_id": %s}}', id), cast(:traceparent as text) from ticket where created
)
select {ticket_columns("ticket")}, created from ticket
union all select {ticket_columns("known")}, false from known
""",  # noqa: S608 - only column names are interpolated
)


def select_ticket(ticket_id: int) -> Select[Any]:
    """Select one ticket."""
    return select(tickets).where(tickets.c.id == ticket_id)


def select_steps(ticket_id: int) -> Select[Any]:
    """Select the saved steps of a ticket."""
    return select(steps).where(steps.c.ticket_id == ticket_id)


def select_tickets(ticket_ids: Sequence[int]) -> Select[Any]:
    """Select several tickets."""
    return select(tickets).where(tickets.c.id.in_(ticket_ids))


def select_steps_of(ticket_ids: Sequence[int]) -> Select[Any]:
    """Select the saved steps of several tickets."""
    return select(steps).where(steps.c.ticket_id.in_(ticket_ids))


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
        # an array: the planner does not know how often the words occur, and a join could read the whole table
        ids = select(search_vectors.c.ticket_id).where(_has_words(value))
        return tickets.c.id == any_(func.array(ids.scalar_subquery()))
    column: Column[Any] = tickets.c[spec.column]
    comparison: ColumnElement[bool]
    match spec.match:
        case "has":
            # the partial index of tags serves only queries that exclude tickets without any
            condition_on_tags = or_(*(column.contains([name]) for name in value))
            comparison = and_(condition_on_tags, text("tickets.tags <> '[]'::jsonb"))
        case "at_least":
            comparison = column >= value
        case "below":
            comparison = column < value
        case _:
            comparison = column == value[0] if len(value) == 1 else column.in_(value)
    return comparison


def _has_words(search: str) -> ColumnElement[bool]:
    return search_vectors.c.words.op("@@", is_comparison=True)(func.to_tsquery("simple", _tsquery(search)))


def select_page(wanted: TicketFilter, sort: str, after: str | None, limit: int) -> Select[Any]:
    """Select the first `limit` matching tickets of an order after a cursor.

    Raises InvalidInputError for an unknown order, a bad cursor, or a search without words.
    """
    if sort not in SORTS:
        raise InvalidInputError(f"there is no order {sort}", hint=f"it can be {', '.join(SORTS)}")
    matching = _start_after(select_matching(wanted), sort, after)
    if wanted.search is None:
        return matching.order_by(*_order(tickets.c, sort)).limit(limit)
    unsearched = _start_after(select_matching(replace(wanted, search=None)), sort, after)
    return _select_searched_page(unsearched, matching, wanted.search, sort, limit)


def _select_searched_page(
    unsearched: Select[Any],
    matching: Select[Any],
    search: str,
    sort: str,
    limit: int,
) -> Select[Any]:
    """Select a page of a search without letting the planner guess how often the words occur.

    It cannot know that. For a word that it takes for frequent it reads tickets in the order of the list and tests each:
    if the word occurs nowhere, that is the whole table. For a frequent word, on the other hand, the search index would
    return most of the table to be sorted. So the statement decides while it runs: it tests the first tickets of the
    list, and asks the search index only if they do not fill the page.
    """
    # `offset 0` keeps the planner from merging this into the ordered query, where it could choose to walk the order
    indexed = matching.offset(0).subquery("indexed")
    if SORT_COLUMNS[sort.removeprefix("-")] not in _INDEXED_ORDERS:
        return select(indexed).order_by(*_order(indexed.c, sort)).limit(limit)
    window = (
        unsearched.order_by(*_order(tickets.c, sort))
        .limit(limit * _WINDOW_PAGES)
        .cte("first_tickets")
        .prefix_with("materialized")
    )
    # a scalar subquery looks up the words of each ticket; a join could read all vectors
    is_hit = select(_has_words(search)).where(search_vectors.c.ticket_id == window.c.id).scalar_subquery()
    hits = select(window).where(is_hit).cte("first_hits").prefix_with("materialized")
    number = select(func.count()).select_from(hits).scalar_subquery()
    # the conditions on `number` are constant for the statement: Postgres evaluates them once and skips the other part
    page = union_all(select(hits).where(number >= limit), select(indexed).where(number < limit)).subquery(
        "page"
    )
    return select(page).order_by(*_order(page.c, sort)).limit(limit)


def _start_after(query: Select[Any], sort: str, after: str | None) -> Select[Any]:
    if after is None:
        return query
    position = pagination.decode(after, sort)
    column = _sort_key(tickets.c, sort)
    key, end = tuple_(column, tickets.c.id), tuple_(literal(position.value, column.type), position.ticket_id)
    return query.where(key < end if sort.startswith("-") else key > end)


def _order(columns: ReadOnlyColumnCollection[str, Any], sort: str) -> list[ColumnElement[Any]]:
    parts = (_sort_key(columns, sort), columns["id"])
    return [part.desc() if sort.startswith("-") else part for part in parts]


def _sort_key(columns: ReadOnlyColumnCollection[str, Any], sort: str) -> ColumnElement[Any]:
    """Return the column of an order. A missing value sorts first: a row comparison with null selects nothing."""
    column = columns[SORT_COLUMNS[sort.removeprefix("-")]]
    if not tickets.c[column.name].nullable:
        return column  # type: ignore[no-any-return]  # SQLAlchemy types columns of a subquery as Any
    return func.coalesce(column, pagination.MISSING_NUMBER if column.name == "confidence" else "")


def select_bounded(
    page: Select[Any], sort: str, without: Collection[str], max_bytes: int | None
) -> Select[Any]:
    """Leave columns out of an ordered and limited page, and end it at a size.

    With `max_bytes` there is a column `fits`: whether the page up to this row has so many bytes at most. Of the rows
    that do not fit only the first is returned: it shows that there is a next page.
    """
    rows = page.subquery()
    columns = [_empty(column) if column.name in without else column for column in rows.columns]
    order = _order(rows.c, sort)
    if max_bytes is None:
        return select(*columns).order_by(*order)
    # A single ticket may be larger than the page. It counts as a full page, so that the first row always fits.
    size = func.least(_max_json_size(rows.c, without), max_bytes)
    sizes = select(*columns, size.label("size"), func.sum(size).over(order_by=order).label("end")).subquery()
    listed = [column for column in sizes.columns if column.name not in {"size", "end"}]
    fits = (sizes.c.end <= max_bytes).label("fits")
    within = sizes.c.end - sizes.c.size <= max_bytes
    return select(*listed, fits).where(within).order_by(*_order(sizes.c, sort))


def _empty(column: ColumnElement[Any]) -> ColumnElement[Any]:
    value: ColumnElement[Any] = null() if tickets.c[str(column.key)].nullable else literal_column("''", Text)
    return value.label(column.key)


def _max_json_size(row: Any, without: Collection[str]) -> ColumnElement[int]:
    r"""Return the most bytes that a ticket can need as JSON inside a JSON string.

    A control character needs 7 there (`\\u0001`), a character of JSON's own syntax 2. Postgres knows the length of a
    text without reading it. The rest of a ticket (names of the fields, times, numbers) needs less than a kilobyte.
    """
    texts = {"subject", "body", "requester", "draft", "error", "idempotency_key"}.difference(without)
    lengths = [func.octet_length(func.coalesce(row[name], "")) for name in sorted(texts)]
    extracted = func.octet_length(func.coalesce(cast(row["extracted"], Text), ""))
    return 7 * sum(lengths[1:], lengths[0]) + 2 * extracted + 1000


def select_count(query: Select[Any]) -> Select[Any]:
    """Select the number of rows of a query."""
    return query.with_only_columns(func.count(), maintain_column_froms=True)


def _tsquery(search: str) -> str:
    """Return a tsquery that requires every word of the search, each as the beginning of a word."""
    words = re.findall(r"[^\W_]+", search)
    if not words:
        raise InvalidInputError("the search has no words", hint="search for letters or digits")
    return " & ".join(f"{word}:*" for word in words)
