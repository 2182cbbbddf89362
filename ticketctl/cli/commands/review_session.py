"""A person and the tickets that need one, one after the other, on a terminal."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import TYPE_CHECKING

import typer

from ticketctl.cli import editor, error_reporting
from ticketctl.cli.rendering import output, ticket_tables
from ticketctl.cli.resources import at_desk
from ticketctl.errors import InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from ticketctl.runtime import Database
    from ticketctl.tickets.models import Ticket, TicketHistory
    from ticketctl.tickets.review import Desk

_QUESTION = "\n[a]pprove  [e]dit draft  [r]eject draft  [c]ategory  [t]eam  [s]kip  [q]uit"


def go_through(found: "Database", limit: int) -> None:
    """Show each ticket and ask what to do, until none is left, `limit` were seen, or the person quits.

    No connection is held while a person thinks. Raises DatabaseError.
    """

    async def waiting(desk: "Desk") -> list[int]:
        return [history.ticket.id for history in await desk.waiting(limit)]

    ticket_ids = at_desk(found, waiting)
    if not ticket_ids:
        output.say("no ticket needs a review")
    for number, ticket_id in enumerate(ticket_ids, start=1):
        review = _Review(found, ticket_id)
        if not review.ended(f"{number} of {len(ticket_ids)}"):
            return


class _Review:
    """One ticket in front of a person."""

    def __init__(self, found: "Database", ticket_id: int) -> None:
        self._found = found
        self._ticket_id = ticket_id

    def ended(self, place: str) -> bool:
        """Ask until the ticket is done with; False where the person wants no more."""
        actions: dict[str, Callable[[TicketHistory], bool]] = {
            "approve": self._approve,
            "edit": self._edit,
            "reject": self._reject,
            "category": self._category,
            "team": self._team,
            "skip": lambda _: True,
        }
        by_letter = {name[0]: action for name, action in actions.items()}
        while (history := self._read()) is not None:
            output.console().rule(place)
            ticket_tables.print_ticket(history)
            answer = _asked(_QUESTION, {*actions, *by_letter, "quit", "q"})
            if answer in {"q", "quit"}:
                return False
            try:
                if (actions | by_letter)[answer](history):
                    return True
            except (InvalidInputError, NotFoundError) as error:
                error_reporting.report(error, debug=False)
        return True

    def _read(self) -> "TicketHistory | None":
        """The ticket as it is now; None where somebody else has dealt with it."""
        from ticketctl.tickets import service

        history = at_desk(self._found, lambda desk: service.show(desk.tickets, self._ticket_id))
        return history if history.ticket.status == "needs_review" else None

    def _approve(self, _: "TicketHistory") -> bool:
        at_desk(self._found, lambda desk: desk.approve(self._ticket_id))
        output.say(f"ticket {self._ticket_id} approved")
        return True

    def _reject(self, _: "TicketHistory") -> bool:
        reason = _asked("why (may be empty)") or None
        at_desk(self._found, lambda desk: desk.reject(self._ticket_id, reason))
        output.say(f"ticket {self._ticket_id}: draft rejected")
        return True

    def _edit(self, history: "TicketHistory") -> bool:
        before = history.ticket.draft or ""
        written = editor.edit(before)
        if written.strip() == before.strip():
            output.say("the draft is as it was")
        else:
            self._set({"draft": written})
        return False

    def _category(self, history: "TicketHistory") -> bool:
        if self._choose("category") and history.ticket.draft:
            output.say(
                f"the draft is still the old one: edit it, or quit and ticketctl retry {self._ticket_id}"
            )
        return False

    def _team(self, _: "TicketHistory") -> bool:
        self._choose("team")
        return False

    def _choose(self, name: str) -> bool:
        """Have the person choose a word; False where they leave it as it is."""

        async def known(desk: "Desk") -> tuple[str, ...]:
            choices: tuple[str, ...] = getattr(desk.vocabulary, name)
            return choices

        choices = at_desk(self._found, known)
        for number, choice in enumerate(choices, start=1):
            output.say(f"{number:>4}  {choice}")
        answer = _asked(f"{name}, its name or number (empty: as it is)")
        numbered = {str(number): choice for number, choice in enumerate(choices, start=1)}
        if answer:
            self._set({name: numbered.get(answer, answer)})
        return bool(answer)

    def _set(self, values: Mapping[str, str]) -> None:
        def work(desk: "Desk") -> "Awaitable[Ticket]":
            return desk.set(self._ticket_id, values)

        at_desk(self._found, work)
        output.say(f"{', '.join(values)} set")


def _asked(question: str, answers: Collection[str] = ()) -> str:
    """What the person types, in small letters where it must be one of the answers."""
    while True:
        said: str = typer.prompt(question, default="", show_default=False, err=True).strip()
        if not answers:
            return said
        if said.lower() in answers:
            return said.lower()
