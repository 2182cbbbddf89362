"""A person's decisions on a ticket, in Postgres."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.sql.expression import TextualSelect

from ticketctl.postgres.engine import Connections
from ticketctl.postgres.json_params import encode_jsonb
from ticketctl.postgres.sql import reviews
from ticketctl.postgres.ticket_rows import to_ticket
from ticketctl.tickets.models import EDITABLE_FIELDS, Ticket


class PostgresReviews:
    """The store of reviews over one event loop's connections; implements `tickets.review.ReviewStore`."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def set(self, ticket_id: int, values: Mapping[str, str], *, routed: str | None) -> Ticket | None:
        """Set fields and mark them as set by a person."""
        fields = {name: values.get(name) for name in EDITABLE_FIELDS}
        names = encode_jsonb(list(values))
        return await self._execute(
            reviews.SET_FIELDS, **fields, ticket_id=ticket_id, routed=routed, names=names
        )

    async def approve(self, ticket_id: int) -> Ticket | None:
        """Mark every field that has a value as set by a person."""
        return await self._execute(reviews.APPROVE, ticket_id=ticket_id, decision="approved")

    async def reject(self, ticket_id: int, reason: str | None) -> Ticket | None:
        """Delete the draft, and let no later run write another."""
        return await self._execute(reviews.REJECT, ticket_id=ticket_id, reason=reason, decision="rejected")

    async def _execute(self, statement: TextualSelect, **parameters: Any) -> Ticket | None:
        async with self._connections.acquire() as connection:
            row = (await connection.execute(statement, parameters)).mappings().one_or_none()
        return None if row is None else to_ticket(row)
