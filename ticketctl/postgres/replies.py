"""Approved replies in Postgres."""

from collections.abc import AsyncIterator, Sequence

from ticketctl.postgres.engine import Connections
from ticketctl.postgres.error_mapping import ErrorMappingConnections
from ticketctl.postgres.json_params import encode_jsonb
from ticketctl.postgres.sql import replies
from ticketctl.tickets.replies import Reply

_PAGE = 200
"""Replies per statement."""


class PostgresReplies:
    """Replies over one event loop's connections; implements `tickets.replies.ReplyStore`."""

    def __init__(self, connections: Connections | ErrorMappingConnections) -> None:
        self._connections = connections

    async def list_unsent(self, ticket_ids: Sequence[int] | None = None) -> AsyncIterator[Reply]:
        """Read the replies page by page."""
        parameters = {
            "is_every": ticket_ids is None,
            "ticket_ids": encode_jsonb(list(ticket_ids or ())),
            "limit": _PAGE,
        }
        after = 0
        while True:
            async with self._connections.acquire() as connection:
                result = await connection.execute(replies.SELECT_UNSENT, parameters | {"after": after})
                rows = result.mappings().all()
            for row in rows:
                yield Reply(**row)
            if len(rows) < _PAGE:
                return
            after = rows[-1]["ticket_id"]
