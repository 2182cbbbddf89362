"""Tickets in Postgres: the store that people's commands and the worker use."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from ticketctl.postgres import pagination
from ticketctl.postgres.engine import Connections
from ticketctl.postgres.error_mapping import ErrorMappingConnections
from ticketctl.postgres.finish_batcher import FinishBatcher
from ticketctl.postgres.json_params import encode_jsonb
from ticketctl.postgres.sql import tickets as ticket_sql
from ticketctl.postgres.sql import worker
from ticketctl.postgres.sql.changes import SELECT_NOTES
from ticketctl.postgres.ticket_rows import to_parameters, to_ticket
from ticketctl.telemetry.attributes import CREATE_MESSAGE
from ticketctl.tickets.filters import TicketFilter
from ticketctl.tickets.messages import TicketMessage
from ticketctl.tickets.models import Attempt, NewTicket, Note, Step, StepRecord, Ticket, TicketDetails
from ticketctl.tickets.protocols import Claim, PipelineResult, RecordFailure, TicketPage
from ticketctl.tickets.sorting import SORT_COLUMNS
from ticketctl.tickets.statuses import TicketStatus


class PostgresStore:
    """The store over one event loop's connections; implements `tickets.protocols.TicketStore`."""

    def __init__(self, connections: Connections | ErrorMappingConnections) -> None:
        self._connections = connections
        self._finish_batcher = FinishBatcher(connections)

    async def create(self, ticket: NewTicket) -> tuple[Ticket, bool]:
        """Write a ticket and its message in one statement; return the first ticket of an idempotency key."""
        telemetry = self._connections.telemetry
        with telemetry.span("create tickets", "producer", CREATE_MESSAGE) as span:
            parameters = {**to_parameters(ticket), "traceparent": telemetry.traceparent}
            async with self._connections.acquire() as connection:
                row = (await connection.execute(ticket_sql.CREATE, parameters)).mappings().one()
            span.set_attributes({"ticketctl.ticket.id": row["id"]})
        return to_ticket(row), row["created"]

    async def list(
        self,
        wanted: TicketFilter,
        *,
        sort: str,
        limit: int,
        after: str | None,
        count: bool,
        without: Collection[str] = (),
        max_bytes: int | None = None,
    ) -> TicketPage:
        """Read one page by its sort key: an offset would skip or repeat rows when tickets are created meanwhile."""
        # one row more than asked for tells whether there is a next page
        page = ticket_sql.select_page(wanted, sort, after, limit + 1)
        if without or max_bytes is not None:
            page = ticket_sql.select_bounded(page, sort, without, max_bytes)
        async with self._connections.acquire() as connection:
            rows = (await connection.execute(page)).mappings().all()
            total = (
                await connection.scalar(ticket_sql.select_count(ticket_sql.select_matching(wanted)))
                if count
                else None
            )
        listed = [to_ticket(row) for row in rows[:limit]]
        # a bounded page has one row more than fits, as a page of `limit` tickets has
        fitting = sum(row["fits"] for row in rows[:limit]) if max_bytes is not None else limit
        listed = listed[:fitting]
        next_cursor = _to_cursor(listed[-1], sort) if len(rows) > len(listed) else None
        return TicketPage(tickets=listed, total=total, next_cursor=next_cursor)

    async def get_details(self, ticket_id: int) -> TicketDetails | None:
        """Read a ticket with its steps, in the pipeline's order, its attempts and notes."""
        async with self._connections.acquire() as connection:
            row = (await connection.execute(ticket_sql.select_ticket(ticket_id))).mappings().one_or_none()
            if row is None:
                return None
            steps = (await connection.execute(ticket_sql.select_steps(ticket_id))).mappings().all()
            attempts = (await connection.execute(ticket_sql.select_attempts(ticket_id))).mappings().all()
            notes = (await connection.execute(SELECT_NOTES, {"ticket_id": ticket_id})).mappings().all()
        order = list(Step)
        records = [_to_step_record(step) for step in steps]
        return TicketDetails(
            ticket=to_ticket(row),
            steps=sorted(records, key=lambda record: order.index(record.step)),
            attempts=[_to_attempt(attempt) for attempt in attempts],
            notes=[Note(**note) for note in notes],
        )

    async def list_analyses(self, ticket_ids: Sequence[int]) -> Sequence[TicketDetails]:
        """Read tickets and their steps in two statements."""
        async with self._connections.acquire() as connection:
            rows = (await connection.execute(ticket_sql.select_tickets(ticket_ids))).mappings().all()
            steps: dict[int, list[StepRecord]] = {row["id"]: [] for row in rows}
            found = await connection.execute(ticket_sql.select_steps_of(ticket_ids))
            for step in found.mappings():
                steps[step["ticket_id"]].append(_to_step_record(step))
        return [TicketDetails(ticket=to_ticket(row), steps=steps[row["id"]]) for row in rows]

    def share_connection(self) -> AbstractAsyncContextManager[None]:
        """Keep a connection from one call to the next until the end of the context."""
        return self._connections.share_connection()

    async def claim(
        self, messages: Sequence[TicketMessage], *, token: UUID, lease: timedelta, environment_id: str
    ) -> Mapping[int, Claim]:
        """Lease the free tickets in one statement, which a frozen transaction of another worker cannot block.

        Two more statements follow only where they are needed: for tickets that had an attempt before, and for tickets
        that were not free.
        """
        first = {message.ticket_id: message for message in reversed(messages)}
        wanted = [
            {"ticket_id": ticket_id, "message_id": m.message_id, "receive_count": m.receive_count}
            for ticket_id, m in first.items()
        ]
        parameters = {
            "messages": encode_jsonb(wanted),
            "token": token,
            "lease": lease,
            "environment_id": environment_id,
        }
        async with self._connections.acquire() as connection:
            rows = (await connection.execute(worker.CLAIM, parameters)).mappings()
            claimed = {row["id"]: to_ticket(row) for row in rows}
            steps = await _resume(connection, [ticket for ticket in claimed.values() if ticket.attempt > 1])
            refused = await _explain(
                connection, [ticket_id for ticket_id in first if ticket_id not in claimed]
            )
        granted = [
            Claim(ticket_id=ticket_id, ticket=ticket, steps=steps.get(ticket_id, {}))
            for ticket_id, ticket in claimed.items()
        ]
        return {claim.ticket_id: claim for claim in (*granted, *refused)}

    async def save_step(self, ticket_id: int, token: UUID, step: StepRecord) -> bool:
        """Save one step; return False where the lease is lost."""
        parameters = {"ticket_id": ticket_id, "token": token, "steps": encode_jsonb([step])}
        async with self._connections.acquire() as connection:
            return (await connection.execute(worker.SAVE_STEPS, parameters)).first() is not None

    async def finish(
        self, ticket_id: int, token: UUID, outcome: PipelineResult, steps: Sequence[StepRecord]
    ) -> bool:
        """Write the result with the steps that are not saved yet, and end the attempt; False: the lease is lost."""
        classification = outcome.classification
        return await self._finish_batcher.finish(
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
                "draft": outcome.draft.text or None,
                "extracted": outcome.extraction.entities,
                "steps": steps,
            }
        )

    async def extend_leases(self, ticket_ids: Collection[int], *, token: UUID, lease: timedelta) -> None:
        """Let the leases that this token holds end later."""
        parameters = {"ticket_ids": encode_jsonb(sorted(ticket_ids)), "token": token, "lease": lease}
        async with self._connections.acquire() as connection:
            await connection.execute(worker.EXTEND_LEASES, parameters)

    async def write_error(self, ticket_ids: Sequence[int], error: str) -> None:
        """Write an error on those of the tickets that are new. It counts no attempt."""
        # a text parameter cannot contain NUL, unlike the text of an exception
        parameters = {"ticket_ids": encode_jsonb(ticket_ids), "error": error.replace("\0", "")}
        async with self._connections.acquire() as connection:
            await connection.execute(worker.WRITE_ERROR, parameters)

    async def release(self, failures: Sequence[RecordFailure], *, token: UUID, environment_id: str) -> None:
        """Write errors on tickets and release them, over a connection that no pool has touched."""
        # a ticket that stands twice in a batch is written once, with its last failure
        by_ticket = {failure.message.ticket_id: failure for failure in failures}
        rows = [
            {
                "ticket_id": failure.message.ticket_id,
                "message_id": failure.message.message_id,
                "receive_count": failure.message.receive_count,
                "error": failure.error,
                "final": failure.final,
                "attempted": failure.attempted,
                "spent": failure.spent,
            }
            for failure in by_ticket.values()
        ]
        parameters = {"failures": encode_jsonb(rows), "token": token, "environment_id": environment_id}
        async with self._connections.acquire(unpooled=True) as connection:
            await connection.execute(worker.RELEASE, parameters)


def _to_cursor(last: Ticket, sort: str) -> str:
    value = getattr(last, SORT_COLUMNS[sort.removeprefix("-")])
    if value is None:
        value = pagination.MISSING_NUMBER if sort.endswith("confidence") else ""
    return pagination.encode(pagination.Position(sort, value, last.id))


async def _resume(
    connection: AsyncConnection, claimed: Sequence[Ticket]
) -> Mapping[int, Mapping[Step, StepRecord]]:
    """Return, by ticket id, the steps that earlier attempts saved."""
    saved: dict[int, dict[Step, StepRecord]] = {ticket.id: {} for ticket in claimed}
    if claimed:
        claims = [{"ticket_id": ticket.id, "attempt": ticket.attempt} for ticket in claimed]
        rows = await connection.execute(worker.RESUME, {"claims": encode_jsonb(claims)})
        for row in rows.mappings():
            record = _to_step_record(row)
            saved[row["ticket_id"]][record.step] = record
    return saved


async def _explain(connection: AsyncConnection, ticket_ids: Sequence[int]) -> Sequence[Claim]:
    """Return refused claims, with the status and the lease that were in the way."""
    rows: dict[int, RowMapping] = {}
    if ticket_ids:
        result = await connection.execute(worker.SELECT_LEASES, {"ticket_ids": encode_jsonb(ticket_ids)})
        rows = {row["id"]: row for row in result.mappings()}
    return [_to_refused_claim(ticket_id, rows.get(ticket_id)) for ticket_id in ticket_ids]


def _to_refused_claim(ticket_id: int, row: RowMapping | None) -> Claim:
    if row is None:
        return Claim(ticket_id=ticket_id)
    return Claim(ticket_id=ticket_id, status=TicketStatus(row["status"]), lease_until=row["lease_until"])


def _to_step_record(row: RowMapping) -> StepRecord:
    values = {name: value for name, value in row.items() if name != "ticket_id"}
    return StepRecord(**values | {"step": Step(values["step"])})


def _to_attempt(row: RowMapping) -> Attempt:
    return Attempt(**{name: value for name, value in row.items() if name != "ticket_id"})
