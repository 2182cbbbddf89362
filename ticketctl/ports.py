"""The roles that the inside needs filled; `runtime` names who fills them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from ticketctl.domain import (
    Classification,
    Draft,
    Extraction,
    NewTicket,
    Route,
    Step,
    StepRecord,
    Ticket,
    TicketHistory,
    TicketStatus,
)
from ticketctl.messages import TicketMessage

Output = TypeVar("Output")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Generic[Output]):
    """What a provider says, and what it cost."""

    output: Output
    model: str
    input_tokens: int = 0
    output_tokens: int = 0


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

    async def classify(self, ticket: Ticket) -> Answer[Classification]:
        """Say what the ticket is about. Raises ProviderError."""

    async def extract(self, ticket: Ticket) -> Answer[Extraction]:
        """Find the entities in the ticket's text. Raises ProviderError."""

    async def respond(
        self, ticket: Ticket, classification: Classification, extraction: Extraction, route: Route
    ) -> Answer[Draft]:
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
    ticket: Ticket | None
    status: TicketStatus | None
    lease_until: datetime | None
    steps: Mapping[Step, StepRecord]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a finished run writes on its ticket."""

    status: TicketStatus
    classification: Classification
    extraction: Extraction
    route: Route
    draft: Draft


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What went wrong with one message; `final`: it will not be delivered again, its ticket has failed."""

    message: TicketMessage
    error: str
    final: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketFilter:
    """What `list` asks for; None or empty means any."""

    status: TicketStatus | None = None
    category: str | None = None
    priority: str | None = None
    team: str | None = None
    search: str | None = None
    since: datetime | None = None


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

    async def history(self, ticket_id: int) -> TicketHistory | None:
        """The ticket with its steps and tries, or None."""

    async def close(self, ticket_id: int) -> Ticket | None:
        """Close the ticket, or None where there is none. Whoever was at work on it loses the lease."""

    async def claim(
        self, messages: Sequence[TicketMessage], *, token: UUID, lease: timedelta, environment_id: str
    ) -> Mapping[int, Claim]:
        """Lease what is free among the messages' tickets, in one statement, and start a try for each."""

    async def save_step(self, ticket_id: int, token: UUID, step: StepRecord) -> bool:
        """Save one output; False where the lease is lost."""

    async def finish(
        self, ticket_id: int, token: UUID, outcome: Outcome, steps: Sequence[StepRecord]
    ) -> bool:
        """Write the outcome and the steps that are not saved yet, end the try; False: the lease is lost."""

    async def give_back(self, failures: Sequence[Failure], *, token: UUID, environment_id: str) -> None:
        """Write what went wrong on the messages' tickets and free them, over a connection of its own.

        A connection of its own, because the usual one may be what failed.
        """
