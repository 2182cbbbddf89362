"""The roles that the inside needs filled; `runtime` names who fills them."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

from ticketctl.tickets.filters import TicketFilter
from ticketctl.tickets.messages import TicketMessage
from ticketctl.tickets.models import (
    Classification,
    Draft,
    Extraction,
    NewTicket,
    Route,
    Step,
    StepRecord,
    Ticket,
    TicketDetails,
)
from ticketctl.tickets.statuses import TicketStatus

Output = TypeVar("Output")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderResponse(Generic[Output]):
    """What a provider says, what it cost, and what of the ticket left the machine for it (None: nothing)."""

    output: Output
    model: str
    input_tokens: int = 0
    output_tokens: int = 0
    sent: str | None = None


class Provider(Protocol):
    """Whoever reads tickets: an engine in this process, or a model behind HTTP."""

    @property
    def name(self) -> str:
        """The provider's name, as `steps.provider` keeps it."""

    @property
    def local(self) -> bool:
        """Whether its answers cost nothing, so that they need not be saved before the work goes on."""

    def fingerprint(self, step: Step) -> str:
        """A text that changes whenever the answers to this step may change: prompt, taxonomy, model."""

    async def classify(self, ticket: Ticket) -> ProviderResponse[Classification]:
        """Say what the ticket is about. Raises ProviderError."""

    async def extract(self, ticket: Ticket) -> ProviderResponse[Extraction]:
        """Find the entities in the ticket's text. Raises ProviderError."""

    async def respond(
        self, ticket: Ticket, classification: Classification, extraction: Extraction, route: Route
    ) -> ProviderResponse[Draft]:
        """Draft a reply. Raises ProviderError."""


class Router(Protocol):
    """Chooses the team; plain code, no provider."""

    def fingerprint(self) -> str:
        """A text that changes whenever its choices may change."""

    def route(self, classification: Classification, extraction: Extraction) -> Route:
        """Choose the team by the first rule that matches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What claiming one ticket gave.

    `ticket` is the ticket as claimed, or None where it was not free; then `status` (None: there is no such
    ticket) and `lease_until` say why. `steps` are the outputs that earlier tries saved.
    """

    ticket_id: int
    ticket: Ticket | None = None
    status: TicketStatus | None = None
    lease_until: datetime | None = None
    steps: Mapping[Step, StepRecord] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineResult:
    """What a finished run writes on its ticket."""

    status: TicketStatus
    classification: Classification
    extraction: Extraction
    route: Route
    draft: Draft


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFailure:
    """What went wrong with one message; `final`: it will not be delivered again, its ticket has failed."""

    message: TicketMessage
    error: str
    final: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketPage:
    """One page of a list. `total` counts every match, and is None where it was not asked for."""

    tickets: Sequence[Ticket]
    next_cursor: str | None
    total: int | None


class TicketStore(Protocol):
    """Keeps tickets, their saved steps and tries. Every write is one statement. All raise DatabaseError."""

    async def create(self, ticket: NewTicket) -> tuple[Ticket, bool]:
        """Write a ticket and its message; True where it is new, False where its idempotency key was known."""

    async def list(
        self, wanted: TicketFilter, *, sort: str, limit: int, after: str | None, count: bool
    ) -> TicketPage:
        """One page, in the order of `sort`, from after the cursor. InvalidInputError for a bad cursor."""

    async def get_details(self, ticket_id: int) -> TicketDetails | None:
        """The ticket with its steps and tries, or None."""

    async def close(self, ticket_id: int) -> Ticket | None:
        """Close the ticket, or None where there is none. Whoever was at work on it loses the lease."""

    def share_connection(self) -> AbstractAsyncContextManager[None]:
        """For calls that wait for nothing in between: within it they may share a connection, whatever the pool."""

    async def claim(
        self, messages: Sequence[TicketMessage], *, token: UUID, lease: timedelta, environment_id: str
    ) -> Mapping[int, Claim]:
        """Lease what is free among the messages' tickets, in one statement, and start a try for each.

        Tries that nobody ended are lost then.
        """

    async def save_step(self, ticket_id: int, token: UUID, step: StepRecord) -> bool:
        """Save one output; False where the lease is lost."""

    async def finish(
        self, ticket_id: int, token: UUID, outcome: PipelineResult, steps: Sequence[StepRecord]
    ) -> bool:
        """Write the outcome and the steps that are not saved yet, end the try; False: the lease is lost."""

    async def release(self, failures: Sequence[RecordFailure], *, token: UUID, environment_id: str) -> None:
        """Write what went wrong on the messages' tickets and free them, over a connection of its own.

        A connection of its own, because the usual one may be what failed.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message as a queue delivered it.

    `receipt` settles this delivery and no later one; `record` is the message as an event carries it.
    """

    message_id: str
    receipt: str
    receive_count: int
    record: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A message that was delivered too often. `ticket_id` is None where it names no ticket of ours."""

    message_id: str
    ticket_id: int | None
    body: str
    receive_count: int
    enqueued_at: datetime
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuePolicy:
    """How a queue delivers: seconds that a message is hidden, deliveries before it dies (None: it never does)."""

    visibility_timeout: float
    max_receive_count: int | None


class TicketQueue(Protocol):
    """Brings messages to workers, each until it is done or dead. All raise QueueError or DatabaseError."""

    async def receive(self, limit: int, *, wait: float) -> Sequence[Delivery]:
        """Up to `limit` messages, hidden from others meanwhile; waits up to `wait` seconds for the first."""

    async def delete(self, deliveries: Sequence[Delivery]) -> None:
        """Forget messages that are done; a delivery that is not the latest of its message deletes nothing."""

    async def release(self, deliveries: Sequence[Delivery]) -> None:
        """Let messages come again, or die where that was their last delivery."""

    async def count_backlog(self) -> int:
        """How many messages are neither done nor dead, hidden ones included."""

    async def list_dead_letters(self, limit: int) -> Sequence[DeadLetter]:
        """The dead letters, the oldest first."""

    async def redrive(self, letters: Sequence[DeadLetter]) -> int:
        """Bring dead letters back, as if sent anew; answers how many were still there."""

    async def purge(self, letters: Sequence[DeadLetter]) -> int:
        """Delete dead letters; answers how many were still there."""

    async def policy(self) -> QueuePolicy:
        """How the queue itself is set up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxMessage:
    """A message in the outbox; `group` is who asks, for queues that keep an order."""

    message_id: str
    body: str
    group: str | None


class Outbox(Protocol):
    """Keeps a ticket's message until a queue elsewhere has it. All raise DatabaseError."""

    async def claim(self, limit: int, *, ticket_id: int | None = None) -> Sequence[OutboxMessage]:
        """Messages to be sent now, of one ticket or of all; nobody else is given them for a minute."""

    async def delete(self, message_ids: Sequence[str]) -> None:
        """Delete what was sent."""

    async def release(self, message_ids: Sequence[str]) -> None:
        """Let what could not be sent be taken again at once."""

    async def count(self) -> int:
        """How many messages are not sent yet."""


class Sender(Protocol):
    """A queue elsewhere, as the outbox sees it."""

    async def send(self, messages: Sequence[OutboxMessage]) -> Sequence[str]:
        """Send messages; answers the ids of those that the queue took. Raises QueueError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StuckTicket:
    """A ticket that waits longer than it should, with what is known of its message.

    `since` is when it should have moved. `overtaken`: workers began other tickets after it was enqueued.
    """

    ticket: Ticket
    since: datetime
    message_id: str | None
    receive_count: int | None
    visible_at: datetime | None
    dead: bool
    overtaken: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelUse:
    """What one model read and wrote in the outputs of one step that are saved."""

    model: str
    runs: int
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStatistics:
    """What one step took over all saved outputs, in all and by model; durations in milliseconds."""

    step: Step
    provider: str
    runs: int
    mean_ms: float
    p95_ms: float
    input_tokens: int
    output_tokens: int
    models: Sequence[ModelUse]


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """All tickets by their status, the oldest that is new, and what the steps took."""

    tickets: Mapping[TicketStatus, int]
    oldest_new: datetime | None
    steps: Sequence[StepStatistics]


class Operations(Protocol):
    """What who runs the system asks of all tickets together. All raise DatabaseError."""

    async def list_stuck(self, older_than: timedelta, *, limit: int) -> Sequence[StuckTicket]:
        """Tickets that are new, or whose lease has ended, for longer than that; the longest first."""

    async def list_ids(self, status: TicketStatus, *, limit: int) -> Sequence[int]:
        """The numbers of tickets of one status, the oldest first."""

    async def reset_failed(self, ticket_ids: Sequence[int]) -> Sequence[int]:
        """Make failed tickets new again; answers those that were."""

    async def retry(self, ticket_ids: Sequence[int]) -> Sequence[int]:
        """Make tickets new again that failed, or that nobody works on, each with one new message."""

    async def get_statistics(self) -> Statistics:
        """Count and measure."""

    async def get_connection_limit(self) -> int:
        """How many connections the database server gives to ordinary users."""

    async def check_schema(self) -> None:
        """Raise StaleSchemaError where the tables are not those that this program needs."""
