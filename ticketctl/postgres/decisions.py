"""People's changes of tickets, and the history, in Postgres."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping

from ticketctl.postgres.engine import Connections
from ticketctl.postgres.error_mapping import ErrorMappingConnections
from ticketctl.postgres.json_params import encode_jsonb
from ticketctl.postgres.sql import changes, corrections, decisions, undo
from ticketctl.postgres.ticket_rows import to_ticket
from ticketctl.telemetry.attributes import CREATE_MESSAGE
from ticketctl.tickets.corrections import Correction
from ticketctl.tickets.decisions import ChangedTickets, Decided, Decision, Undone
from ticketctl.tickets.history import Actor, Change
from ticketctl.tickets.statuses import TicketStatus

_OUTCOMES = {"approve": "approved", "reject": "rejected"}


class PostgresDecisions:
    """Decisions over one event loop's connections; implements `tickets.decisions.DecisionStore`."""

    def __init__(self, connections: Connections | ErrorMappingConnections) -> None:
        self._connections = connections

    async def apply(
        self,
        decision: Decision,
        ticket_ids: Sequence[int],
        *,
        by: Actor,
        seen: datetime | None = None,
        operation: int | None = None,
    ) -> dict[int, Decided]:
        """Apply a decision to tickets in one statement; return those that exist."""
        action = decision.action
        parameters: dict[str, Any] = {
            "ticket_ids": encode_jsonb(list(ticket_ids)),
            "seen": seen,
            "actor_kind": by.kind.value,
            "actor": by.name,
            "operation": operation,
            "action": action,
            "note": decision.note,
        }
        if action in {"set", "assign", "tag", "untag"}:
            parameters["values"] = encode_jsonb(decision.values)
        if action == "set":
            parameters["routed"] = encode_jsonb(decision.routed)
        if action == "reply":
            parameters["message_ids"] = encode_jsonb(decision.message_ids)
        if action == "redraft":
            parameters["drafts"] = encode_jsonb(decision.drafts)
        if action in _OUTCOMES:
            parameters["outcome"] = _OUTCOMES[action]
        fetch = self._fetch_and_queue if action in decisions.QUEUING else self._fetch
        rows = await fetch(decisions.DECISIONS[action], parameters)
        return {row["id"]: _to_decided(row) for row in rows}

    async def undo(
        self,
        ticket_ids: Sequence[int],
        *,
        by: Actor,
        seen: datetime | None = None,
        undone: int | None = None,
        operation: int | None = None,
    ) -> dict[int, Undone]:
        """Take back the newest changes in one statement, where a person made them; return the tickets that exist."""
        parameters = {
            "ticket_ids": encode_jsonb(list(ticket_ids)),
            "seen": seen,
            "actor_kind": by.kind.value,
            "actor": by.name,
            "undone": undone,
            "operation": operation,
        }
        names = [field.name for field in fields(Undone) if field.name != "decided"]
        rows = await self._fetch_and_queue(undo.UNDO, parameters)
        return {
            row["id"]: Undone(decided=_to_decided(row), **{name: row[name] for name in names}) for row in rows
        }

    async def get_operation(self, operation: int) -> ChangedTickets | None:
        """Read what a command changed."""
        rows = await self._fetch(undo.SELECT_OPERATION, {"operation": operation})
        return ChangedTickets(**rows[0]) if rows else None

    async def find_last_operation(self, by: Actor) -> int | None:
        """Read the number of the newest command of a person that was not taken back."""
        rows = await self._fetch(undo.SELECT_LAST_OPERATION, {"actor_kind": by.kind.value, "actor": by.name})
        return rows[0]["operation"] if rows else None

    async def list_changes(self, ticket_id: int) -> list[Change]:
        """Read the changes of a ticket, the oldest first."""
        rows = await self._fetch(changes.SELECT_CHANGES, {"ticket_id": ticket_id})
        return [Change(**row) for row in rows]

    async def list_corrections(self, since: datetime | None = None) -> list[Correction]:
        """Read the last decision of a person on each ticket's category, by ticket number."""
        rows = await self._fetch(corrections.SELECT_CORRECTIONS, {"since": since})
        return [Correction(**row) for row in rows]

    async def _fetch_and_queue(self, statement: Any, parameters: dict[str, Any]) -> Sequence[RowMapping]:
        """Run a statement that may queue tickets again; their messages belong to its trace."""
        telemetry = self._connections.telemetry
        with telemetry.span("create tickets", "producer", CREATE_MESSAGE):
            return await self._fetch(statement, {**parameters, "traceparent": telemetry.traceparent})

    async def _fetch(self, statement: Any, parameters: dict[str, Any]) -> Sequence[RowMapping]:
        async with self._connections.acquire() as connection:
            return (await connection.execute(statement, parameters)).mappings().all()


def _to_decided(row: RowMapping) -> Decided:
    return Decided(
        ticket=to_ticket(row),
        is_changed=row["is_changed"],
        status_before=TicketStatus(row["status_before"]),
        updated_before=row["updated_before"],
        operation=row["operation"],
    )
