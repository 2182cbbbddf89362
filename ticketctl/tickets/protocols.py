"""The interfaces between the domain and its adapters. `runtime` chooses the adapters."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar
from uuid import UUID

from ticketctl.tickets.filters import TicketFilter
from ticketctl.tickets.history import Actor
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

if TYPE_CHECKING:
    from ticketctl.tickets.statistics import Statistics, TicketCounts, Workload

Output = TypeVar("Output")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderResponse(Generic[Output]):
    """The output of a provider with its cost. `sent` is the text that left this machine for it, None if none did."""

    output: Output
    model: str
    input_tokens: int = 0
    output_tokens: int = 0
    sent: str | None = None


class Provider(Protocol):
    """Analyses tickets: an engine in this process, or a model behind HTTP."""

    @property
    def name(self) -> str:
        """Return the provider's name, as stored in `steps.provider`."""

    @property
    def local(self) -> bool:
        """Return whether its responses are free, so that the pipeline need not save each one at once."""

    def fingerprint(self, step: Step, ticket: Ticket | None = None) -> str:
        """Return a text that changes whenever the responses to this step may change: prompt, taxonomy, model.

        For a `ticket` it covers the parts of the prompt that are chosen for it.
        """

    async def classify(self, ticket: Ticket) -> ProviderResponse[Classification]:
        """Classify the ticket. Raise ProviderError."""

    async def extract(self, ticket: Ticket) -> ProviderResponse[Extraction]:
        """Find the entities in the ticket's text. Raise ProviderError."""

    async def respond(
        self, ticket: Ticket, classification: Classification, extraction: Extraction, route: Route
    ) -> ProviderResponse[Draft]:
        """Draft a reply. Raise ProviderError."""


class Router(Protocol):
    """Chooses the team by rules, without a provider."""

    def fingerprint(self) -> str:
        """Return a text that changes whenever its choices may change."""

    def route(self, classification: Classification, extraction: Extraction) -> Route:
        """Return the team that the first matching rule chooses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The result of claiming one ticket.

    `ticket` is the claimed ticket, or None if it was not free. In that case `status` (None if there is no such
    ticket) and `lease_until` say why. `steps` are the outputs that earlier attempts saved.
    """

    ticket_id: int
    ticket: Ticket | None = None
    status: TicketStatus | None = None
    lease_until: datetime | None = None
    steps: Mapping[Step, StepRecord] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineResult:
    """The results of the pipeline for one ticket."""

    status: TicketStatus
    classification: Classification
    extraction: Extraction
    route: Route
    draft: Draft


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFailure:
    """The error of one record.

    `final` means that the queue will not deliver the message again: the ticket fails. `attempted` is False if no work
    on the ticket started; then no attempt is counted. `spent` is False if the attempt only ran out of time: it is
    counted, because a later one uses the steps that it saved, but it does not use up its delivery.
    """

    message: TicketMessage
    error: str
    final: bool
    attempted: bool = True
    spent: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketPage:
    """One page of a list. `total` is the number of all matches, None if the caller did not ask for it."""

    tickets: Sequence[Ticket]
    next_cursor: str | None
    total: int | None


class TicketStore(Protocol):
    """Stores tickets, their saved steps and attempts.

    Every write is one statement. All methods raise DatabaseError.
    """

    async def create(self, ticket: NewTicket) -> tuple[Ticket, bool]:
        """Write a ticket and its message. Return the ticket, and False if its idempotency key already existed."""

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
        """Return the page after the cursor, ordered by `sort`. Raise InvalidInputError for a bad cursor.

        The columns `without` ("body", "draft") are not read; the tickets have "" or None there. The page ends before
        its tickets need more than `max_bytes` as JSON inside JSON (Lambda's response), but has at least one.
        """

    async def get_details(self, ticket_id: int) -> TicketDetails | None:
        """Return the ticket with its steps and attempts, or None."""

    async def list_analyses(self, ticket_ids: Sequence[int]) -> Sequence[TicketDetails]:
        """Return the tickets that exist, each with its saved steps but without attempts and notes."""

    def share_connection(self) -> AbstractAsyncContextManager[None]:
        """Let the calls inside the context share one connection, whatever the pool; they must follow each other closely."""

    async def claim(
        self, messages: Sequence[TicketMessage], *, token: UUID, lease: timedelta, environment_id: str
    ) -> Mapping[int, Claim]:
        """Lease the free tickets of these messages in one statement, and start an attempt for each.

        Earlier attempts that have not ended are marked as lost.
        """

    async def save_step(self, ticket_id: int, token: UUID, step: StepRecord) -> bool:
        """Save one output. Return False if the lease is lost."""

    async def finish(
        self, ticket_id: int, token: UUID, outcome: PipelineResult, steps: Sequence[StepRecord]
    ) -> bool:
        """Write the result and the unsaved steps, and end the attempt. Return False if the lease is lost."""

    async def extend_leases(self, ticket_ids: Collection[int], *, token: UUID, lease: timedelta) -> None:
        """Let the leases that this token holds end after `lease` from now."""

    async def write_error(self, ticket_ids: Sequence[int], error: str) -> None:
        """Write an error on those of the tickets that are new. It counts no attempt."""

    async def release(self, failures: Sequence[RecordFailure], *, token: UUID, environment_id: str) -> None:
        """Write the errors on the messages' tickets and end their leases.

        The store uses a new connection, because the pooled one may be the cause of the errors.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class StuckTicket:
    """A ticket that waits longer than it should, with the state of its message.

    `since` is the time from which it waits. `overtaken` means that workers started other tickets after its message
    was enqueued.
    """

    ticket: Ticket
    since: datetime
    message_id: str | None
    receive_count: int | None
    visible_at: datetime | None
    dead: bool
    overtaken: bool


class Operations(Protocol):
    """Queries and changes over all tickets, for the operator. All methods raise DatabaseError."""

    async def list_stuck(self, older_than: timedelta, *, limit: int) -> Sequence[StuckTicket]:
        """Return tickets that have been new, or whose lease has been over, for longer than this; the oldest first."""

    async def list_ids(self, status: TicketStatus, *, limit: int) -> Sequence[int]:
        """Return the ids of the tickets with one status, the oldest first."""

    async def reset_failed(self, ticket_ids: Sequence[int], *, by: Actor) -> Sequence[int]:
        """Make failed tickets new without a new message, for a redrive. Return the ids of those that were failed."""

    async def count_tickets(self) -> "TicketCounts":
        """Count the tickets by status."""

    async def get_statistics(self) -> "Statistics":
        """Return the statistics."""

    async def get_workload(self, weeks: int) -> "Workload":
        """Return the workload, with this number of weeks up to the current one."""

    async def get_connection_limit(self) -> int:
        """Return how many connections the database server allows ordinary users."""

    async def check_schema(self) -> None:
        """Raise StaleSchemaError if this program needs tables of another version."""
