"""The interfaces to queues: the queue itself, the outbox in front of a queue elsewhere, and its sender."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Protocol

from ticketctl.tickets.messages import Message, parse_event


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One delivery of a message.

    `receipt` settles this delivery and no later one. `record` is the message in the form of an SQS event record.
    """

    message_id: str
    receipt: str
    receive_count: int
    record: Mapping[str, Any]

    @cached_property
    def message(self) -> Message:
        """The parsed record."""
        (message,) = parse_event({"Records": [self.record]})
        return message


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A message that was delivered too often. `ticket_id` is None if its body names no ticket."""

    message_id: str
    ticket_id: int | None
    body: str
    receive_count: int
    enqueued_at: datetime
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuePolicy:
    """The delivery settings of a queue.

    `visibility_timeout` is in seconds. A message becomes a dead letter after `max_receive_count` deliveries; None
    means never.
    """

    visibility_timeout: float
    max_receive_count: int | None


class TicketQueue(Protocol):
    """Delivers messages until they are deleted or become dead letters. All methods raise QueueError or DatabaseError."""

    async def receive(self, limit: int, *, wait: float) -> Sequence[Delivery]:
        """Receive up to `limit` messages and hide them from other consumers. Wait up to `wait` seconds for the first."""

    async def delete(self, deliveries: Sequence[Delivery]) -> None:
        """Delete processed messages. A delivery that is not the latest of its message deletes nothing."""

    async def release(self, deliveries: Sequence[Delivery]) -> Sequence[str]:
        """Make messages visible again, or dead letters if no delivery is left or none can succeed.

        Return the ids of those that will not be delivered again.
        """

    async def extend(self, deliveries: Sequence[Delivery]) -> None:
        """Hide messages for another visibility timeout. A delivery that is not the latest of its message extends nothing."""

    async def count_backlog(self) -> int:
        """Return the number of messages that are neither deleted nor dead letters, including hidden ones."""

    async def list_dead_letters(self, limit: int) -> Sequence[DeadLetter]:
        """Return the dead letters, the oldest first."""

    async def redrive(self, letters: Sequence[DeadLetter]) -> int:
        """Move dead letters back as new messages. Return how many still existed."""

    async def purge(self, letters: Sequence[DeadLetter]) -> int:
        """Delete dead letters. Return how many still existed."""

    async def get_policy(self) -> QueuePolicy:
        """Return the delivery settings of the queue itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxMessage:
    """A message in the outbox. `group` is the requester, the message group of a FIFO queue."""

    message_id: str
    body: str
    group: str | None
    traceparent: str | None = None


class Outbox(Protocol):
    """Keeps messages in the database until a queue elsewhere has them. All methods raise DatabaseError."""

    async def claim(self, limit: int, *, ticket_id: int | None = None) -> Sequence[OutboxMessage]:
        """Claim messages to send, of one ticket or of all. For a minute no other caller gets them."""

    async def delete(self, message_ids: Sequence[str]) -> None:
        """Delete messages that were sent."""

    async def release(self, message_ids: Sequence[str]) -> None:
        """Make messages that could not be sent claimable again at once."""

    async def count(self) -> int:
        """Return the number of messages that are not sent yet."""


class Sender(Protocol):
    """Sends messages to a queue elsewhere."""

    async def send(self, messages: Sequence[OutboxMessage]) -> Sequence[str]:
        """Send messages. Return the ids of those that the queue accepted. Raise QueueError."""
