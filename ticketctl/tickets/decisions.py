"""What people do with tickets, one or many: close, reopen, retry, assign, tag, note. Every change is recorded."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from ticketctl.errors import ConflictError, InvalidInputError, TicketctlError
from ticketctl.tickets import service
from ticketctl.tickets.corrections import Correction
from ticketctl.tickets.history import Actor, Change, Operation, list_changes
from ticketctl.tickets.models import BODY_LIMIT, LARGEST_ID, Ticket
from ticketctl.tickets.protocols import TicketStore
from ticketctl.tickets.statuses import TicketStatus

BATCH = 500
"""Tickets that one statement changes."""
NAME_LIMIT = 100
"""The maximum length of an assignee's or an actor's name, in characters."""
_TAG = re.compile(r"[\w.:/+-]{1,50}")
REVIEWABLE = (TicketStatus.NEEDS_REVIEW, TicketStatus.PROCESSED)
"""The statuses of tickets that the pipeline has finished and people have not closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A change of tickets: its action, the new values of fields, and a note (a text, or why).

    `routed` has, by ticket id, the team that the routing rules choose for the new values; `message_ids`
    the Message-ID of the mail that was received, `drafts` the text that replaces the draft.
    """

    action: str
    values: Mapping[str, Any] = field(default_factory=dict)
    note: str | None = None
    routed: Mapping[int, str] = field(default_factory=dict)
    message_ids: Mapping[int, str] = field(default_factory=dict)
    drafts: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decided:
    """A ticket after a decision, whether it changed, its status and time of change before, and the operation's number."""

    ticket: Ticket
    is_changed: bool
    status_before: TicketStatus
    updated_before: datetime
    operation: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """The result of an undo on one ticket.

    `last_...` describe the newest change that was not taken back: the one that was taken back now, or that prevents it.
    None: there is none. `is_claimed`: a worker has claimed the ticket after it. `overtaken`: someone else changed the ticket
    at the same moment. `was_undone`: the change of the wanted operation had been taken back before.
    """

    decided: Decided
    last_action: str | None
    last_kind: str | None
    last_actor: str | None
    last_operation: int | None
    is_claimed: bool
    overtaken: bool
    was_undone: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedTickets:
    """The tickets that one command or request of a person changed (an operation), by number."""

    id: int
    started_at: datetime
    actor: str
    action: str
    ticket_ids: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one ticket: `outcome` in a word or two, and the ticket, or the error that prevented the change."""

    id: int
    outcome: str
    is_changed: bool = False
    ticket: Ticket | None = None
    error: TicketctlError | None = None


class DecisionStore(Protocol):
    """Stores people's changes. Every write is one statement, with its rows in the history. Raises DatabaseError."""

    async def apply(
        self,
        decision: Decision,
        ticket_ids: Sequence[int],
        *,
        by: Actor,
        seen: datetime | None = None,
        operation: int | None = None,
    ) -> Mapping[int, Decided]:
        """Change those of the tickets that allow it; return those that exist.

        With `seen`, a ticket whose `updated_at` is another one does not change. `operation` is the number that the
        first call of the same command returned.
        """

    async def undo(
        self,
        ticket_ids: Sequence[int],
        *,
        by: Actor,
        seen: datetime | None = None,
        undone: int | None = None,
        operation: int | None = None,
    ) -> Mapping[int, Undone]:
        """Take back each ticket's newest change, if a person made it and no worker came after; return those that exist.

        With `undone`, only where that operation made the change. The rest as in `apply`.
        """

    async def get_operation(self, operation: int) -> ChangedTickets | None:
        """Return what a command or request changed; None if no change has this number."""

    async def find_last_operation(self, by: Actor) -> int | None:
        """Return the number of a person's newest operation that was not taken back on each of its tickets."""

    async def list_changes(self, ticket_id: int) -> Sequence[Change]:
        """Return the changes of a ticket, the oldest first."""

    async def list_corrections(self, since: datetime | None = None) -> Sequence[Correction]:
        """Return the last decision of a person on each ticket's category, by ticket number."""


_DONE: Mapping[str, str] = {
    "close": "closed",
    "reopen": "reopened",
    "retry": "queued",
    "redraft": "drafted",
    "set": "set",
    "approve": "approved",
    "reject": "rejected",
    "assign": "assigned",
    "tag": "tagged",
    "untag": "untagged",
    "note": "noted",
    "send": "sent",
    "reply": "replied",
}


async def apply(
    store: DecisionStore,
    decision: Decision,
    ticket_ids: Sequence[int],
    *,
    by: Actor,
    seen: datetime | None = None,
    operation: Operation | None = None,
) -> list[Outcome]:
    """Apply a decision to tickets, some hundreds per statement, and say what became of each.

    `operation` is updated after each statement, so that it tells what was done even if a later statement fails.
    """
    outcomes, operation = [], operation or Operation()
    for start in range(0, len(ticket_ids), BATCH):
        part = ticket_ids[start : start + BATCH]
        possible = [ticket_id for ticket_id in part if 1 <= ticket_id <= LARGEST_ID]
        decided: Mapping[int, Decided] = {}
        if possible:
            decided = await store.apply(decision, possible, by=by, seen=seen, operation=operation.id)
        operation.add(decided.values())
        outcomes += [_to_outcome(decision.action, one, decided.get(one), seen) for one in part]
    return outcomes


def get_ticket(outcomes: Sequence[Outcome]) -> Ticket:
    """Return the ticket of a decision on one ticket. Raise its error."""
    (outcome,) = outcomes
    if outcome.ticket is None:
        raise outcome.error or service.no_ticket(outcome.id)
    return outcome.ticket


def _to_outcome(action: str, ticket_id: int, decided: Decided | None, seen: datetime | None) -> Outcome:
    if decided is None:
        error: TicketctlError = service.no_ticket(ticket_id)
    elif decided.is_changed:
        return Outcome(id=ticket_id, outcome=_DONE[action], is_changed=True, ticket=decided.ticket)
    elif seen is not None and decided.updated_before != seen:
        error = changed_meanwhile(ticket_id)
    else:
        refused = _explain_refusal(action, ticket_id, decided.status_before)
        if refused is None:
            return Outcome(id=ticket_id, outcome=f"already {_DONE[action]}", ticket=decided.ticket)
        error = refused
    return Outcome(id=ticket_id, outcome="unchanged", error=error)


def changed_meanwhile(ticket_id: int) -> ConflictError:
    """Return the error of a person whose decision rests on an older state of the ticket."""
    return ConflictError(
        f"ticket {ticket_id} was changed by someone else meanwhile",
        hint=f"ticketctl history {ticket_id} shows the change; decide again",
    )


def _explain_refusal(action: str, ticket_id: int, status: TicketStatus) -> TicketctlError | None:
    """Return why a ticket of this status could not be changed; None if it was in the wanted state already."""
    if action in {"approve", "reject"} and status not in REVIEWABLE:
        hint = "nothing is left to do" if status is TicketStatus.CLOSED else "ticketctl work processes it"
        return InvalidInputError(f"ticket {ticket_id} is {status}: there is nothing to review", hint=hint)
    if action == "reopen":
        return ConflictError(
            f"ticket {ticket_id} is {status}, not closed", hint="only closed tickets can be reopened"
        )
    if action == "send":
        return ConflictError(
            f"ticket {ticket_id} has no approved reply that was not sent",
            hint=f"ticketctl review, or approve {ticket_id}, approves its draft",
        )
    if action == "retry":
        closed = status is TicketStatus.CLOSED
        return ConflictError(
            f"ticket {ticket_id} is {status} and cannot be retried",
            hint=f"ticketctl reopen {ticket_id} opens it again"
            if closed
            else "you can retry tickets that failed, need a review, or wait for a worker",
        )
    return None


def assign(who: str | None) -> Decision:
    """Return the decision that assigns a ticket to a person; None removes the assignee. Raise InvalidInputError."""
    if who is not None:
        check_name("assignee", who)
    return Decision(action="assign", values={"assignee": who})


def tag(name: str, *, remove: bool = False) -> Decision:
    """Return the decision that a ticket gets, or loses, a tag. Raise InvalidInputError."""
    if not _TAG.fullmatch(name):
        raise InvalidInputError(
            f"{name!r} cannot be a tag", hint="a tag has up to 50 letters, digits and . _ : / + -"
        )
    return Decision(action="untag" if remove else "tag", values={"tags": [name]})


def note(text: str) -> Decision:
    """Return the decision that a ticket gets a note. Raise InvalidInputError."""
    if not text.strip():
        raise InvalidInputError(
            "the note is empty", hint="ticketctl note 7 'called back, waits for an invoice'"
        )
    service.check_text("note", text, limit=BODY_LIMIT)
    return Decision(action="note", note=text)


def check_name(what: str, name: str) -> None:
    """Raise InvalidInputError for a name that no person can have."""
    if not name.strip():
        raise InvalidInputError(f"the {what} is empty", hint="give a name, such as ada")
    service.check_text(what, name, limit=NAME_LIMIT, one_line=True)


async def get_history(tickets: TicketStore, store: DecisionStore, ticket_id: int) -> list[Change]:
    """Return every change of a ticket, the oldest first. Raise NotFoundError."""
    details = await service.show(tickets, ticket_id)
    return list_changes(details, await store.list_changes(ticket_id))
