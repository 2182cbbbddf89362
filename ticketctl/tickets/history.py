"""The history of a ticket: who changed what, when, from which value to which."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from ticketctl.tickets.models import EDITABLE_FIELDS, TicketDetails

if TYPE_CHECKING:
    from ticketctl.tickets.decisions import Decided

TRACKED_FIELDS = ("status", *EDITABLE_FIELDS, "confidence", "set_by_human", "assignee", "tags", "sent_at")
"""The fields of a ticket whose changes are kept."""


class ActorKind(StrEnum):
    """What made a change."""

    PERSON = "person"
    WORKER = "worker"
    RULE = "rule"
    IMPORT = "import"


@dataclass(frozen=True, slots=True)
class Actor:
    """The originator of a change: a person's name, a worker's execution environment, a rule, or an imported file."""

    kind: ActorKind
    name: str

    @classmethod
    def person(cls, name: str) -> "Actor":
        """Return the actor for a person."""
        return cls(ActorKind.PERSON, name)

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


@dataclass(slots=True)
class Operation:
    """A command or request of a person while it runs: its number, which the first statement chooses, and its changes."""

    id: int | None = None
    changed: int = 0

    def add(self, results: Iterable["Decided"]) -> None:
        """Count the changes of one statement, and remember the number that it has chosen."""
        for one in results:
            self.id = one.operation
            self.changed += one.is_changed


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change of a ticket. `old` and `new` have the fields that changed.

    `id` is None for what the tickets and the attempts themselves record: the creation, and the claims of workers.
    `engine` is the output of the classification step where a person decided on it: `category`, `priority`,
    `sentiment`, `language`, `confidence`, `method`, `model`. `undoes` is the change that this one took back. `message_id` is that of
    the mail behind the change. `operation` is the number of the command or request with which a person made this change,
    and perhaps those of other tickets.
    """

    id: int | None = None
    changed_at: datetime
    actor_kind: str
    actor: str
    action: str
    old: dict[str, Any] = field(default_factory=dict)
    new: dict[str, Any] = field(default_factory=dict)
    note: str | None = None
    engine: dict[str, Any] | None = None
    undoes: int | None = None
    message_id: str | None = None
    operation: int | None = None


def list_changes(details: TicketDetails, changes: Sequence[Change]) -> list[Change]:
    """Return every change of a ticket, the oldest first: its creation, those in the table, and its attempts."""
    ticket = details.ticket
    kind, _, name = (ticket.created_by or "").partition(":")
    created = Change(
        changed_at=ticket.created_at,
        actor_kind=kind or ActorKind.PERSON,
        actor=name or "unknown",
        action="create",
        new={"status": "new"},
    )
    return [created, *sorted([*changes, *_list_attempts(details)], key=lambda change: change.changed_at)]


def _list_attempts(details: TicketDetails) -> Iterator[Change]:
    """Yield the claims of workers, and the ends of attempts that came to nothing."""
    for attempt in details.attempts:
        claim = Change(
            changed_at=attempt.started_at,
            actor_kind=ActorKind.WORKER,
            actor=attempt.environment_id or "unknown",
            action="claim",
            new={"attempt": attempt.attempt},
        )
        yield claim
        if attempt.ended_at is not None and attempt.outcome in {"failed", "lost"}:
            yield replace(
                claim, changed_at=attempt.ended_at, action=f"attempt {attempt.outcome}", note=attempt.error
            )
