"""The nouns: a ticket, what the AI pipeline says of it, and what was done to it. Plain frozen dataclasses."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from ticketctl.tickets.statuses import TicketStatus

SUBJECT_LIMIT = 500
"""Characters that a subject may have at most."""
BODY_LIMIT = 200_000
"""Characters that a body may have at most."""
LARGEST_ID = 2**63 - 1
"""The largest number of a ticket: the largest that a bigint holds."""


class Step(StrEnum):
    """The four things that the pipeline does to a ticket, in order; the first two run at the same time."""

    CLASSIFY = "classify"
    EXTRACT = "extract"
    ROUTE = "route"
    RESPOND = "respond"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTicket:
    """What a person writes: everything that a ticket is made from."""

    subject: str
    body: str = ""
    requester: str | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """One row of `tickets`. Times carry an offset; `confidence` is 0 to 1."""

    id: int
    subject: str
    body: str
    requester: str | None
    status: TicketStatus
    category: str | None
    priority: str | None
    sentiment: str | None
    language: str | None
    team: str | None
    confidence: float | None
    extracted: list[dict[str, Any]] | None
    draft: str | None
    set_by_human: list[str]
    error: str | None
    attempt: int
    lease_token: UUID | None
    lease_until: datetime | None
    idempotency_key: str | None
    created_at: datetime
    updated_at: datetime
    processed_at: datetime | None

    @property
    def text(self) -> str:
        """What the pipeline reads: the subject, an empty line, the body."""
        return f"{self.subject}\n\n{self.body}" if self.body else self.subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """What a ticket is about.

    `category` is None where nothing fits; `confidence` is 0 to 1; `method` says how it was found ("rules",
    "model", ...); `review` gives the reasons, if any, for a human to look; `degraded` says that the provider
    failed and the offline engine stood in.
    """

    category: str | None
    priority: str
    sentiment: str
    language: str
    confidence: float
    method: str
    review: tuple[str, ...] = ()
    degraded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """Something named in a ticket: `kind` ("email", "order_id", ...), its text, and its place.

    `start` and `end` count characters of `Ticket.text`; a masked value keeps the place of what it hides.
    """

    kind: str
    value: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Extraction:
    """The entities of one ticket, in the order of their place."""

    entities: tuple[Entity, ...] = ()
    review: tuple[str, ...] = ()
    degraded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The team that gets a ticket, the rule that chose it, and why."""

    team: str
    rule: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A reply for a human to send, or not. `method` says what wrote it ("template", "model")."""

    text: str
    method: str
    review: tuple[str, ...] = ()
    degraded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """One row of `steps`: an output that is saved, and what it cost.

    `duration_ms` is wall time; `sent` is the text that left the machine, None where nothing did.
    """

    step: Step
    output: dict[str, Any]
    provider: str
    model: str
    prompt_hash: str
    input_tokens: int = 0
    output_tokens: int = 0
    duration_ms: float = 0.0
    sent: str | None = None
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One row of `attempts`: one try at one ticket. `outcome` is None while it runs."""

    attempt: int
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None
    error: str | None
    message_id: str | None
    receive_count: int | None
    environment_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketDetails:
    """A ticket with every saved step and every try."""

    ticket: Ticket
    steps: list[StepRecord] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)


def apply_human_edits(said: Classification, ticket: Ticket) -> Classification:
    """A human's word stands: routing and drafting go by it too.

    Who set the category has read the ticket: what the step doubted needs no human any more.
    """
    theirs: dict[str, Any] = {
        name: getattr(ticket, name)
        for name in ("category", "priority", "sentiment", "language")
        if name in ticket.set_by_human
    }
    if "category" in theirs:
        theirs |= {"confidence": 1.0, "method": "human", "review": ()}
    return replace(said, **theirs) if theirs else said
