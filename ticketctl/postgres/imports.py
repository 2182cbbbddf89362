"""Imported tickets in Postgres."""

from collections.abc import Sequence

from ticketctl.postgres.engine import Connections
from ticketctl.postgres.error_mapping import ErrorMappingConnections
from ticketctl.postgres.json_params import encode_jsonb
from ticketctl.postgres.sql import imports
from ticketctl.telemetry.attributes import CREATE_MESSAGE
from ticketctl.tickets.importing.records import ImportedTicket


class PostgresImports:
    """Imports over one event loop's connections; implements `tickets.importing.service.ImportStore`."""

    def __init__(self, connections: Connections | ErrorMappingConnections) -> None:
        self._connections = connections

    async def find_keys(self, keys: Sequence[str]) -> dict[str, int]:
        """Look up tickets by their keys, and by the mails of their replies."""
        async with self._connections.acquire() as connection:
            rows = await connection.execute(imports.FIND_KEYS, {"keys": encode_jsonb(list(keys))})
            return {row.key: row.id for row in rows}

    async def create_many(self, tickets: Sequence[ImportedTicket], *, created_by: str) -> dict[str, int]:
        """Create tickets and their messages in one statement."""
        rows = [
            {
                "position": position,
                "subject": one.ticket.subject,
                "body": one.ticket.body,
                "requester": one.ticket.requester,
                "idempotency_key": one.ticket.idempotency_key,
                "created_at": one.created_at,
                "assignee": one.assignee,
                "tags": one.tags,
                "status": one.status,
            }
            for position, one in enumerate(tickets)
        ]
        telemetry = self._connections.telemetry
        attributes = {**CREATE_MESSAGE, "messaging.batch.message_count": len(tickets)}
        with telemetry.span("create tickets", "producer", attributes):
            parameters = {
                "tickets": encode_jsonb(rows),
                "created_by": created_by,
                "traceparent": telemetry.traceparent,
            }
            async with self._connections.acquire() as connection:
                found = await connection.execute(imports.CREATE_MANY, parameters)
                return {row.idempotency_key: row.id for row in found}
