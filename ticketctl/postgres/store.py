"""Tickets in Postgres: the store that people and workers use."""

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import RowMapping, Select, func, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from ticketctl.errors import InvalidInputError
from ticketctl.postgres import pagination
from ticketctl.postgres.engine import Connections
from ticketctl.postgres.error_mapping import ErrorMappingConnections
from ticketctl.postgres.finish_batcher import FinishBatcher
from ticketctl.postgres.json_params import as_jsonb
from ticketctl.postgres.schema import attempts, search_vector, steps, tickets
from ticketctl.postgres.sql import worker
from ticketctl.tickets.messages import TicketMessage
from ticketctl.tickets.models import Attempt, NewTicket, Step, StepRecord, Ticket, TicketDetails, TicketStatus
from ticketctl.tickets.protocols import Claim, PipelineResult, RecordFailure, TicketFilter, TicketPage

SORTS = {
    "-created": tickets.c.created_at,
    "created": tickets.c.created_at,
    "-updated": tickets.c.updated_at,
    "updated": tickets.c.updated_at,
}
"""The orders of a list; a minus puts the newest first."""

_TICKET = [column.name for column in tickets.columns]


class PostgresStore:
    """The store over one event loop's connections; see `ports.TicketStore` for what each call means."""

    def __init__(self, connections: Connections | ErrorMappingConnections) -> None:
        self._connections = connections
        self._finishing = FinishBatcher(connections)

    async def create(self, ticket: NewTicket) -> tuple[Ticket, bool]:
        """Write a ticket and its message in one statement; the same key again answers the first ticket."""
        async with self._connections.acquire() as connection:
            row = (await connection.execute(worker.CREATE, msgspec.to_builtins(ticket))).mappings().one()
        return _ticket(row), row["made"]

    async def list(
        self, wanted: TicketFilter, *, sort: str, limit: int, after: str | None, count: bool
    ) -> TicketPage:
        """Read one page by its key, never by an offset."""
        if sort not in SORTS:
            raise InvalidInputError(f"there is no order {sort}", hint=f"it can be {', '.join(SORTS)}")
        query = _filtered(wanted)
        page = _after(query, sort, after).limit(limit + 1)
        async with self._connections.acquire() as connection:
            rows = (await connection.execute(page)).mappings().all()
            total = await connection.scalar(_counting(query)) if count else None
        shown = [_ticket(row) for row in rows[:limit]]
        more = len(rows) > limit
        return TicketPage(tickets=shown, total=total, next_cursor=_cursor(shown[-1], sort) if more else None)

    async def get_details(self, ticket_id: int) -> TicketDetails | None:
        """Read a ticket with its steps, in the pipeline's order, and its tries."""
        async with self._connections.acquire() as connection:
            row = (
                (await connection.execute(select(tickets).where(tickets.c.id == ticket_id)))
                .mappings()
                .one_or_none()
            )
            if row is None:
                return None
            saved = await connection.execute(select(steps).where(steps.c.ticket_id == ticket_id))
            tried = await connection.execute(
                select(attempts).where(attempts.c.ticket_id == ticket_id).order_by(attempts.c.attempt)
            )
        order = list(Step)
        records = [_record(step) for step in saved.mappings()]
        return TicketDetails(
            ticket=_ticket(row),
            steps=sorted(records, key=lambda record: order.index(record.step)),
            attempts=[_attempt(attempt) for attempt in tried.mappings()],
        )

    async def close(self, ticket_id: int) -> Ticket | None:
        """Close a ticket, whatever its state."""
        async with self._connections.acquire() as connection:
            result = await connection.execute(worker.CLOSE, {"ticket_id": ticket_id})
            row = result.mappings().one_or_none()
        return None if row is None else _ticket(row)

    def share_connection(self) -> AbstractAsyncContextManager[None]:
        """Keep a connection from one call to the next."""
        return self._connections.share_connection()

    async def claim(
        self, messages: Sequence[TicketMessage], *, token: UUID, lease: timedelta, environment_id: str
    ) -> Mapping[int, Claim]:
        """Lease what is free, in one statement that one frozen transaction cannot hang.

        Only where something was not free, or was tried before, is more asked.
        """
        first = {message.ticket_id: message for message in reversed(messages)}
        wanted = [
            {"ticket_id": number, "message_id": m.message_id, "receive_count": m.receive_count}
            for number, m in first.items()
        ]
        parameters = {
            "messages": as_jsonb(wanted),
            "token": token,
            "lease": lease,
            "environment_id": environment_id,
        }
        async with self._connections.acquire() as connection:
            rows = (await connection.execute(worker.CLAIM, parameters)).mappings()
            claimed = {row["id"]: _ticket(row) for row in rows}
            steps = await _resume(connection, [one for one in claimed.values() if one.attempt > 1])
            others = await _known(connection, [number for number in first if number not in claimed])
        free = [
            Claim(ticket_id=number, ticket=ticket, steps=steps.get(number, {}))
            for number, ticket in claimed.items()
        ]
        return {claim.ticket_id: claim for claim in (*free, *others)}

    async def save_step(self, ticket_id: int, token: UUID, step: StepRecord) -> bool:
        """Save one output under the token."""
        parameters = {"ticket_id": ticket_id, "token": token, "steps": as_jsonb([step])}
        async with self._connections.acquire() as connection:
            return (await connection.execute(worker.SAVE_STEPS, parameters)).first() is not None

    async def finish(
        self, ticket_id: int, token: UUID, outcome: PipelineResult, steps: Sequence[StepRecord]
    ) -> bool:
        """Write the outcome and the last steps under the token, and end the try."""
        classification = outcome.classification
        return await self._finishing.finish(
            {
                "ticket_id": ticket_id,
                "token": token,
                "status": outcome.status.value,
                "category": classification.category,
                "priority": classification.priority,
                "sentiment": classification.sentiment,
                "language": classification.language,
                "confidence": classification.confidence,
                "team": outcome.route.team,
                "draft": outcome.draft.text,
                "extracted": outcome.extraction.entities,
                "steps": steps,
            }
        )

    async def release(self, failures: Sequence[RecordFailure], *, token: UUID, environment_id: str) -> None:
        """Write what went wrong, over a connection that no pool has touched."""
        failed = [
            {
                "ticket_id": failure.message.ticket_id,
                "message_id": failure.message.message_id,
                "receive_count": failure.message.receive_count,
                "error": failure.error,
                "final": failure.final,
            }
            for failure in {failure.message.ticket_id: failure for failure in failures}.values()
        ]
        parameters = {"failures": as_jsonb(failed), "token": token, "environment_id": environment_id}
        async with self._connections.acquire(unpooled=True) as connection:
            await connection.execute(worker.GIVE_BACK, parameters)


def _filtered(wanted: TicketFilter) -> Select[Any]:
    query = select(tickets)
    for name in ("status", "category", "priority", "team"):
        value = getattr(wanted, name)
        if value is not None:
            query = query.where(tickets.c[name] == value)
    if wanted.since is not None:
        query = query.where(tickets.c.created_at >= wanted.since)
    if wanted.search is not None:
        query = query.where(
            text(f"{search_vector} @@ to_tsquery('simple', :words)").bindparams(words=_words(wanted.search))
        )
    return query


def _words(search: str) -> str:
    """Every word must be there, at least as the beginning of one."""
    words = re.findall(r"[^\W_]+", search)
    if not words:
        raise InvalidInputError("the search has no words", hint="search for letters or digits")
    return " & ".join(f"{word}:*" for word in words)


def _after(query: Select[Any], sort: str, after: str | None) -> Select[Any]:
    time, newest_first = SORTS[sort], sort.startswith("-")
    key = tuple_(time, tickets.c.id)
    if after is not None:
        place = pagination.decode(after, sort)
        end = tuple_(place.time, place.ticket_id)
        query = query.where(key < end if newest_first else key > end)
    return query.order_by(*(column.desc() if newest_first else column for column in (time, tickets.c.id)))


def _counting(query: Select[Any]) -> Select[Any]:
    return query.with_only_columns(func.count(), maintain_column_froms=True)


def _cursor(last: Ticket, sort: str) -> str:
    time = last.updated_at if sort.endswith("updated") else last.created_at
    return pagination.encode(pagination.Place(sort, time, last.id))


def _ticket(row: RowMapping) -> Ticket:
    values = {name: row[name] for name in _TICKET}
    return Ticket(**values | {"status": TicketStatus(values["status"])})


async def _resume(
    connection: AsyncConnection, again: Sequence[Ticket]
) -> Mapping[int, Mapping[Step, StepRecord]]:
    """What earlier tries saved for tickets that are claimed again, by ticket."""
    saved: dict[int, dict[Step, StepRecord]] = {ticket.id: {} for ticket in again}
    if again:
        claims = [{"ticket_id": ticket.id, "attempt": ticket.attempt} for ticket in again]
        rows = await connection.execute(worker.RESUME, {"claims": as_jsonb(claims)})
        for row in rows.mappings():
            record = _record(row)
            saved[row["ticket_id"]][record.step] = record
    return saved


async def _known(connection: AsyncConnection, ticket_ids: Sequence[int]) -> Sequence[Claim]:
    """What there is to say of tickets that were not free."""
    found: dict[int, RowMapping] = {}
    if ticket_ids:
        rows = await connection.execute(worker.KNOWN, {"ticket_ids": as_jsonb(ticket_ids)})
        found = {row["id"]: row for row in rows.mappings()}
    return [_refused(number, found.get(number)) for number in ticket_ids]


def _refused(ticket_id: int, row: RowMapping | None) -> Claim:
    if row is None:
        return Claim(ticket_id=ticket_id)
    return Claim(ticket_id=ticket_id, status=TicketStatus(row["status"]), lease_until=row["lease_until"])


def _record(row: RowMapping) -> StepRecord:
    values = {name: value for name, value in row.items() if name != "ticket_id"}
    return StepRecord(**values | {"step": Step(values["step"])})


def _attempt(row: RowMapping) -> Attempt:
    return Attempt(**{name: value for name, value in row.items() if name != "ticket_id"})
