"""The operator's view of all tickets: stuck tickets, redrives, statistics."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import RowMapping

from ticketctl.postgres import migrations
from ticketctl.postgres.error_mapping import ErrorMappingConnections
from ticketctl.postgres.json_params import encode_jsonb
from ticketctl.postgres.sql import operations
from ticketctl.postgres.ticket_rows import to_ticket
from ticketctl.tickets.history import Actor
from ticketctl.tickets.models import Step
from ticketctl.tickets.protocols import StuckTicket
from ticketctl.tickets.statistics import ModelUse, Statistics, StepStatistics, TicketCounts, Week, Workload
from ticketctl.tickets.statuses import TicketStatus


class PostgresOperations:
    """Operations over one event loop's connections; implements `tickets.protocols.Operations`."""

    def __init__(self, connections: ErrorMappingConnections) -> None:
        self._connections = connections

    async def list_stuck(self, older_than: timedelta, *, limit: int) -> Sequence[StuckTicket]:
        """List tickets that have waited for longer than that; the longest first."""
        rows = await self._fetch(operations.SELECT_STUCK, older_than=older_than, limit=limit)
        return [_to_stuck_ticket(row) for row in rows]

    async def list_ids(self, status: TicketStatus, *, limit: int) -> Sequence[int]:
        """List the ids of the oldest tickets with this status."""
        return [row["id"] for row in await self._fetch(operations.select_ids(status.value, limit))]

    async def reset_failed(self, ticket_ids: Sequence[int], *, by: Actor) -> Sequence[int]:
        """Make failed tickets new and return their ids."""
        actor = {"actor_kind": by.kind.value, "actor": by.name, "operation": None}
        rows = await self._fetch(operations.RESET_FAILED, ticket_ids=encode_jsonb(ticket_ids), **actor)
        return [row["id"] for row in rows]

    async def count_tickets(self) -> TicketCounts:
        """Count tickets by status."""
        counts = {TicketStatus(row["status"]): row for row in await self._fetch(operations.COUNT_BY_STATUS)}
        new = counts.get(TicketStatus.NEW)
        return TicketCounts(
            tickets={status: counts[status]["number"] if status in counts else 0 for status in TicketStatus},
            oldest_new=None if new is None else new["oldest"],
        )

    async def get_statistics(self) -> Statistics:
        """Count tickets by status and sum up the saved steps."""
        counts = await self.count_tickets()
        order = list(Step)
        measured = [_to_step_statistics(row) for row in await self._fetch(operations.MEASURE_STEPS)]
        return Statistics(
            tickets=counts.tickets,
            oldest_new=counts.oldest_new,
            steps=sorted(measured, key=lambda step: (order.index(step.step), step.provider)),
        )

    async def get_workload(self, weeks: int) -> Workload:
        """Count tickets by category, by team and by week of creation."""
        categories: Counter[str | None] = Counter()
        teams: Counter[str | None] = Counter()
        for row in await self._fetch(operations.COUNT_BY_CATEGORY_AND_TEAM):
            categories[row["category"]] += row["number"]
            teams[row["team"]] += row["number"]
        measured = await self._fetch(operations.MEASURE_WEEKS, weeks=weeks)
        return Workload(
            categories=dict(categories.most_common()),
            teams=dict(teams.most_common()),
            weeks=[Week(**row) for row in measured],
        )

    async def get_connection_limit(self) -> int:
        """Return how many connections the server accepts, without those reserved for superusers."""
        (row,) = await self._fetch(operations.CONNECTION_LIMIT)
        limit: int = row["available"]
        return limit

    async def check_schema(self) -> None:
        """Raise StaleSchemaError where the tables are of another revision than this program needs."""
        async with self._connections.acquire() as connection:
            revision = await migrations.get_revision(connection)
        migrations.require_current(revision, self._connections.address)

    async def _fetch(self, statement: Any, **parameters: object) -> Sequence[RowMapping]:
        async with self._connections.acquire() as connection:
            return (await connection.execute(statement, parameters)).mappings().all()


def _to_stuck_ticket(row: RowMapping) -> StuckTicket:
    return StuckTicket(
        ticket=to_ticket(row),
        since=row["since"],
        message_id=None if row["message_id"] is None else str(row["message_id"]),
        receive_count=row["receive_count"],
        visible_at=row["visible_at"],
        dead=row["dead"],
        overtaken=row["overtaken"],
    )


def _to_step_statistics(row: RowMapping) -> StepStatistics:
    models = [ModelUse(**used) for used in row["models"]]
    return StepStatistics(**{**row, "step": Step(row["step"]), "models": models})
