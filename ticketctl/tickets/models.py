"""The domain model: a ticket, the outputs of the pipeline and the attempts, as frozen dataclasses."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from ticketctl.tickets.statuses import TicketStatus

SUBJECT_LIMIT = 500
"""The maximum length of a subject, in characters."""
BODY_LIMIT = 200_000
"""The maximum length of a body, in characters."""
LARGEST_ID = 2**63 - 1
"""The largest ticket id: the largest value of a Postgres bigint."""

TICKET_KIND = "ticket"
"""The kind of a message that asks for something; any other kind is not answered."""

CLASSIFIED_FIELDS = ("category", "priority", "sentiment", "language")
"""The fields of a ticket that classification fills."""
EDITABLE_FIELDS = (*CLASSIFIED_FIELDS, "team", "draft")
"""The fields that a person may set. The pipeline never overwrites a value that a person set."""


class Step(StrEnum):
    """The four steps of the pipeline, in order. The first two run concurrently."""

    CLASSIFY = "classify"
    EXTRACT = "extract"
    ROUTE = "route"
    RESPOND = "respond"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTicket:
    """The input for a new ticket.

    An idempotency key belongs to `key_owner`: the same key of another owner is another key. The owner of keys on the
    command line is the empty text. `created_by` is as in `Ticket`.
    """

    subject: str
    body: str = ""
    requester: str | None = None
    idempotency_key: str | None = None
    key_owner: str = ""
    created_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """One row of `tickets`. Times are timezone-aware; `confidence` is between 0 and 1.

    `created_by` is the kind and the name of the actor that created it, such as `person:ada`; None if it is unknown.
    `sent_at` is the time at which the draft was sent to the requester.
    """

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
    assignee: str | None = None
    tags: list[str] = field(default_factory=list)
    created_by: str | None = None
    sent_at: datetime | None = None

    @property
    def text(self) -> str:
        """Return the text that the pipeline reads: the subject, an empty line and the body."""
        return f"{self.subject}\n\n{self.body}" if self.body else self.subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """The output of the first step: what a ticket is about.

    `category` is None if no category fits. `confidence` is between 0 and 1. `method` names how the category was
    chosen ("rules", "model", "human", ...). `review` lists the reasons why a person must check the result.
    `degraded` means that the provider failed and the offline engine produced this output instead. `kind` is "ticket",
    or what the message is instead, such as "bounce" or "spam": then nobody is answered.
    """

    category: str | None
    priority: str
    sentiment: str
    language: str
    confidence: float
    method: str
    review: tuple[str, ...] = ()
    degraded: bool = False
    kind: str = TICKET_KIND


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """An entity in a ticket's text, such as an e-mail address or an order number.

    `start` and `end` are character offsets in `Ticket.text`. A masked value keeps the offsets of the original.
    """

    kind: str
    value: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Extraction:
    """The output of the second step: the entities of a ticket, ordered by their offsets."""

    entities: tuple[Entity, ...] = ()
    review: tuple[str, ...] = ()
    degraded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The output of the third step: the team that gets the ticket, and the rule that chose it with its reason."""

    team: str
    rule: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """The output of the last step: a reply that a person may send. `method` names its source ("template", "model")."""

    text: str
    method: str
    review: tuple[str, ...] = ()
    degraded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """One row of `steps`: the saved output of a step with its cost.

    `duration_ms` is wall-clock time. `sent` is the text that went to a remote provider, None if none did.
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
    """One row of `attempts`: one attempt to process one ticket. `outcome` is None while it runs."""

    attempt: int
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None
    error: str | None
    message_id: str | None
    receive_count: int | None
    environment_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A note on a ticket: what a person wrote, or a requester's reply that was imported."""

    written_at: datetime
    actor_kind: str
    actor: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketDetails:
    """A ticket with its saved steps, its attempts and its notes."""

    ticket: Ticket
    steps: list[StepRecord] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


def apply_human_edits(classification: Classification, ticket: Ticket) -> Classification:
    """Return the classification with the values that a person set on the ticket; routing and drafting use them.

    A person who set the category has read the ticket, so the reasons for a review of the classification go.
    """
    edits: dict[str, Any] = {
        name: getattr(ticket, name) for name in CLASSIFIED_FIELDS if name in ticket.set_by_human
    }
    if "category" in edits:
        edits |= {"confidence": 1.0, "method": "human", "review": (), "kind": TICKET_KIND}
    return replace(classification, **edits) if edits else classification
