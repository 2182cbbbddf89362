"""Resources for operator commands and the API."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from ticketctl.errors import TicketctlError
from ticketctl.telemetry.metrics import OUTBOX_DEPTH, QUEUE_DEPTH, STUCK
from ticketctl.telemetry.protocols import OFF, Telemetry
from ticketctl.tickets import operations
from ticketctl.tickets.protocols import Operations, TicketStore
from ticketctl.tickets.queue_protocols import Outbox, Sender, TicketQueue

if TYPE_CHECKING:
    from collections.abc import Callable

    from ticketctl.tickets.decisions import DecisionStore
    from ticketctl.tickets.importing.service import ImportStore
    from ticketctl.tickets.replies import ReplyStore
    from ticketctl.tickets.review import ReviewService

STUCK_AFTER = timedelta(minutes=15)
"""How long a ticket waits before the metric counts it as stuck."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingWork:
    """How many messages and tickets wait. `outbox` is None if the queue is a table."""

    queue: int
    outbox: int | None
    stuck: int


@dataclass(frozen=True, slots=True)
class OperatorResources:
    """Resources for operator commands and the API, bound to one event loop.

    A failed call does not affect the others. `sender` sends to the queue elsewhere; None if the queue is a table.
    `make_reviews` reads the taxonomy, which most calls do not need; it raises ConfigError.
    """

    store: TicketStore
    operations: Operations
    outbox: Outbox
    queue: TicketQueue
    sender: Sender | None
    decisions: "DecisionStore"
    imports: "ImportStore"
    replies: "ReplyStore"
    make_reviews: "Callable[[], ReviewService]"
    telemetry: Telemetry = OFF

    async def flush(self, ticket_id: int | None = None) -> int:
        """Send the messages in the outbox, of one ticket or of all, and return how many; 0 if the queue is a table.

        Raises:
            QueueError: The queue refused some messages. They stay in the outbox.
        """
        return (
            0
            if self.sender is None
            else await operations.flush(self.outbox, self.sender, ticket_id=ticket_id)
        )

    async def try_flush(self, ticket_id: int | None = None) -> TicketctlError | None:
        """Flush the outbox and return the error instead of raising it. Unsent messages stay for a later flush."""
        try:
            await self.flush(ticket_id)
        except TicketctlError as error:
            return error
        return None

    async def count_waiting(self) -> WaitingWork:
        """Count what waits, and at most `operations.LIMIT` stuck tickets. Raise TicketctlError."""
        return WaitingWork(
            queue=await self.queue.count_backlog(),
            outbox=None if self.sender is None else await self.outbox.count(),
            stuck=len(await self.operations.list_stuck(STUCK_AFTER, limit=operations.LIMIT)),
        )

    async def record_waiting(self) -> None:
        """Record how many messages and tickets wait; nothing is asked if telemetry is off. Raise TicketctlError."""
        if not self.telemetry.is_on:
            return
        waiting = await self.count_waiting()
        self.telemetry.record(QUEUE_DEPTH, waiting.queue)
        if waiting.outbox is not None:
            self.telemetry.record(OUTBOX_DEPTH, waiting.outbox)
        self.telemetry.record(STUCK, waiting.stuck)
