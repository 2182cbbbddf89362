"""A person and the tickets that need one, one after the other, on a terminal."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import typer

from ticketctl.cli import editor, error_reporting
from ticketctl.cli.rendering import output, ticket_tables
from ticketctl.cli.resources import run_review
from ticketctl.errors import InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from ticketctl.runtime import Database
    from ticketctl.tickets.models import Ticket, TicketDetails
    from ticketctl.tickets.review import ReviewService

_QUESTION = "\n[a]pprove  [e]dit draft  [r]eject draft  [c]ategory  [t]eam  [s]kip  [q]uit"


def go_through(found: "Database", limit: int) -> None:
    """Show each ticket and ask what to do, until none is left, `limit` were seen, or the person quits.

    No connection is held while a person thinks. Raises DatabaseError.
    """

    async def waiting(reviews: "ReviewService") -> list[int]:
        return [details.ticket.id for details in await reviews.list_waiting(limit)]

    ticket_ids = run_review(found, waiting)
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
        actions: dict[str, Callable[[TicketDetails], bool]] = {
            "approve": self._approve,
            "edit": self._edit,
            "reject": self._reject,
            "category": self._category,
            "team": self._team,
            "skip": lambda _: True,
        }
        by_letter = {name[0]: action for name, action in actions.items()}
        while (details := self._read()) is not None:
            output.console().rule(place)
            ticket_tables.print_ticket(details)
            answer = _asked(_QUESTION, {*actions, *by_letter, "quit", "q"})
            if answer in {"q", "quit"}:
                return False
            try:
                if (actions | by_letter)[answer](details):
                    return True
            except (InvalidInputError, NotFoundError) as error:
                error_reporting.report(error, debug=False)
        return True

    def _read(self) -> "TicketDetails | None":
        """The ticket as it is now; None where somebody else has dealt with it."""
        from ticketctl.tickets import service

        details = run_review(self._found, lambda reviews: service.show(reviews.tickets, self._ticket_id))
        return details if details.ticket.status == "needs_review" else None

    def _approve(self, _: "TicketDetails") -> bool:
        run_review(self._found, lambda reviews: reviews.approve(self._ticket_id))
        output.say(f"ticket {self._ticket_id} approved")
        return True

    def _reject(self, _: "TicketDetails") -> bool:
        reason = _asked("why (may be empty)") or None
        run_review(self._found, lambda reviews: reviews.reject(self._ticket_id, reason))
        output.say(f"ticket {self._ticket_id}: draft rejected")
        return True

    def _edit(self, details: "TicketDetails") -> bool:
        before = details.ticket.draft or ""
        written = editor.edit(before)
        if written.strip() == before.strip():
            output.say("the draft is as it was")
        else:
            self._set({"draft": written})
        return False

    def _category(self, details: "TicketDetails") -> bool:
        if self._choose("category") and details.ticket.draft:
            output.say(
                f"the draft is still the old one: edit it, or quit and ticketctl retry {self._ticket_id}"
            )
        return False

    def _team(self, _: "TicketDetails") -> bool:
        self._choose("team")
        return False

    def _choose(self, name: str) -> bool:
        """Have the person choose a word; False where they leave it as it is."""

        async def known(reviews: "ReviewService") -> Sequence[str]:
            return reviews.allowed[name]

        choices = run_review(self._found, known)
        for number, choice in enumerate(choices, start=1):
            output.say(f"{number:>4}  {choice}")
        answer = _asked(f"{name}, its name or number (empty: as it is)")
        numbered = {str(number): choice for number, choice in enumerate(choices, start=1)}
        if answer:
            self._set({name: numbered.get(answer, answer)})
        return bool(answer)

    def _set(self, values: Mapping[str, str]) -> None:
        def work(reviews: "ReviewService") -> "Awaitable[Ticket]":
            return reviews.set(self._ticket_id, values)

        run_review(self._found, work)
        output.say(f"{', '.join(values)} set")


def _asked(question: str, answers: Collection[str] = ()) -> str:
    """What the person types, in small letters where it must be one of the answers."""
    while True:
        said: str = typer.prompt(question, default="", show_default=False, err=True).strip()
        if not answers:
            return said
        if said.lower() in answers:
            return said.lower()
