"""A person and the tickets that need one, one after the other, on a terminal."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

import typer

from ticketctl.cli import editor, failures, output, ticket_view
from ticketctl.cli.session import at_desk
from ticketctl.errors import InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from ticketctl.domain import Ticket, TicketHistory
    from ticketctl.reviews import Desk
    from ticketctl.runtime import Database

_QUESTION = "[a]pprove  [e]dit the draft  [r]eject the draft  [c]ategory  [t]eam  [s]kip  [q]uit"


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
            "a": self._approve,
            "e": self._edit,
            "r": self._reject,
            "c": self._category,
            "t": self._team,
            "s": lambda _: True,
        }
        while (history := self._read()) is not None:
            output.console().rule(place)
            ticket_view.print_ticket(history)
            output.say("")
            answer = _asked(_QUESTION)[:1].lower()
            if answer == "q":
                return False
            if answer not in actions:
                continue
            try:
                if actions[answer](history):
                    return True
            except (InvalidInputError, NotFoundError) as error:
                failures.report(error, debug=False)
        return True

    def _read(self) -> "TicketHistory | None":
        """The ticket as it is now; None where somebody else has dealt with it."""
        from ticketctl import service

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

    def _category(self, _: "TicketHistory") -> bool:
        self._choose("category")
        return False

    def _team(self, _: "TicketHistory") -> bool:
        self._choose("team")
        return False

    def _choose(self, name: str) -> None:
        async def known(desk: "Desk") -> tuple[str, ...]:
            choices: tuple[str, ...] = getattr(desk.vocabulary, name)
            return choices

        choices = at_desk(self._found, known)
        for number, choice in enumerate(choices, start=1):
            output.say(f"{number:>4}  {choice}")
        answer = _asked(f"{name}, its name or number (empty: as it is)")
        if answer:
            by_number = answer.isdecimal() and 1 <= int(answer) <= len(choices)
            self._set({name: choices[int(answer) - 1] if by_number else answer})

    def _set(self, values: Mapping[str, str]) -> None:
        def work(desk: "Desk") -> "Awaitable[Ticket]":
            return desk.set(self._ticket_id, values)

        at_desk(self._found, work)
        output.say(f"{', '.join(values)} set")


def _asked(question: str) -> str:
    answer: str = typer.prompt(question, default="", show_default=False, err=True)
    return answer.strip()
