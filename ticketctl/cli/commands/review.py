"""`review`: go through the tickets that need a review, one after the other on a terminal."""

import importlib.util
import os
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from ticketctl.cli import editor, error_reporting
from ticketctl.cli.actor import current_actor
from ticketctl.cli.input import is_interactive
from ticketctl.cli.options import JsonOption
from ticketctl.cli.rendering import output, ticket_tables
from ticketctl.cli.resources import load_settings, run_on, run_with
from ticketctl.errors import InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ticketctl.runtime import Database
    from ticketctl.tickets.decisions import Outcome
    from ticketctl.tickets.models import TicketDetails
    from ticketctl.tickets.review import ReviewService

Result = TypeVar("Result")

_NOTHING_WAITS = "no ticket needs a review"
_QUESTION = "\n[a]pprove  [e]dit draft  [r]eject draft  [c]ategory  [t]eam  [s]kip  [q]uit"


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("review")(review)


def review(
    *,
    limit: Annotated[int, typer.Option(help="Tickets at most, 1 to 1000.")] = 20,
    as_prompt: Annotated[
        bool, typer.Option("--prompt", help="Ask line by line, also where a full screen is possible.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Go through the tickets that need a review.

    On a terminal each ticket is shown, oldest first, with the pipeline's result, its confidence and the reasons
    for the review; you approve it, edit or reject its draft, or correct it: in full screen with the extra tui, else
    line by line. Piped, the tickets are listed; the columns are: id, category, confidence, team, created, subject,
    reasons.
    """
    from ticketctl.runtime import open_database, open_review_service

    if not as_json and output.is_terminal() and is_interactive():
        with open_database(load_settings()) as opened:
            if as_prompt or not _has_full_screen():
                _review_all(opened, limit)
            else:
                run_on(opened, open_review_service, lambda reviews: _open_screen(reviews, limit))
        return

    async def work(reviews: "ReviewService") -> "list[TicketDetails]":
        return await reviews.list_waiting(limit)

    _print_waiting(run_with(open_review_service, work), as_json=as_json)


def _has_full_screen() -> bool:
    """Whether the terminal can move its cursor, and the extra is installed."""
    return os.environ.get("TERM", "dumb") != "dumb" and importlib.util.find_spec("textual") is not None


async def _open_screen(reviews: "ReviewService", limit: int) -> None:
    waiting = await reviews.list_waiting(limit)
    if not waiting:
        output.print_message(_NOTHING_WAITS)
        return
    from ticketctl.cli.review_screen import ReviewApp

    app = ReviewApp(reviews, waiting, by=current_actor(), limit=limit)
    await app.run_async()
    if app.bug is not None:
        raise app.bug
    if app.problem is not None:
        raise app.problem


def _print_waiting(waiting: "Sequence[TicketDetails]", *, as_json: bool) -> None:
    import msgspec

    from ticketctl.cli.rendering.timestamps import format_iso
    from ticketctl.tickets.pricing import parse_prices
    from ticketctl.tickets.review import list_review_reasons
    from ticketctl.tickets.views import TicketView

    if as_json:
        prices = parse_prices(load_settings())
        tickets = [
            msgspec.to_builtins(TicketView.of(details, prices)) | {"reasons": list_review_reasons(details)}
            for details in waiting
        ]
        output.print_json({"tickets": tickets})
        return
    for details in waiting:
        ticket = details.ticket
        confidence = None if ticket.confidence is None else f"{ticket.confidence:.2f}"
        why = "; ".join(list_review_reasons(details))
        output.print_rows(
            [
                [
                    ticket.id,
                    ticket.category,
                    confidence,
                    ticket.team,
                    format_iso(ticket.created_at),
                    ticket.subject,
                    why,
                ]
            ]
        )


def _review_all(database: "Database", limit: int) -> None:
    """Show each ticket and ask what to do, until none is left, `limit` were shown, or the reviewer quits.

    No connection is held while the reviewer reads. Raises DatabaseError.
    """
    from ticketctl.runtime import open_review_service

    async def waiting(reviews: "ReviewService") -> list[int]:
        return [details.ticket.id for details in await reviews.list_waiting(limit)]

    ticket_ids = run_on(database, open_review_service, waiting)
    if not ticket_ids:
        output.print_message(_NOTHING_WAITS)
    for number, ticket_id in enumerate(ticket_ids, start=1):
        session = _TicketReview(database, ticket_id)
        if not session.run(f"{number} of {len(ticket_ids)}"):
            return


class _TicketReview:
    """The review of one ticket on a terminal."""

    def __init__(self, database: "Database", ticket_id: int) -> None:
        self._database = database
        self._ticket_id = ticket_id
        self._by = current_actor()

    def run(self, title: str) -> bool:
        """Ask until the ticket is decided or skipped; return False if the reviewer quits."""
        actions: dict[str, Callable[[TicketDetails], bool]] = {
            "approve": self._approve,
            "edit": self._edit,
            "reject": self._reject,
            "category": self._set_category,
            "team": self._set_team,
            "skip": lambda _: True,
        }
        by_letter = {name[0]: action for name, action in actions.items()}
        while (details := self._read()) is not None:
            output.make_console().rule(title)
            ticket_tables.print_ticket(details)
            answer = _prompt(_QUESTION, {*actions, *by_letter, "quit", "q"})
            if answer in {"q", "quit"}:
                return False
            try:
                if (actions | by_letter)[answer](details):
                    return True
            except (InvalidInputError, NotFoundError) as error:
                error_reporting.report(error, debug=False)
        return True

    def _read(self) -> "TicketDetails | None":
        """Return the ticket as it is now, or None if another reviewer decided it meanwhile."""
        from ticketctl.tickets import service

        details = self._call(lambda reviews: service.show(reviews.tickets, self._ticket_id))
        return details if details.ticket.status == "needs_review" else None

    def _approve(self, details: "TicketDetails") -> bool:
        ids, seen = [self._ticket_id], details.ticket.updated_at
        self._decide(lambda reviews: reviews.approve(ids, by=self._by, seen=seen))
        output.print_message(f"ticket {self._ticket_id} approved")
        return True

    def _reject(self, details: "TicketDetails") -> bool:
        reason = _prompt("reason (may be empty)") or None
        ids, seen = [self._ticket_id], details.ticket.updated_at
        self._decide(lambda reviews: reviews.reject(ids, reason, by=self._by, seen=seen))
        output.print_message(f"ticket {self._ticket_id}: draft rejected")
        return True

    def _edit(self, details: "TicketDetails") -> bool:
        before = details.ticket.draft or ""
        after = editor.edit(before)
        if after.strip() == before.strip():
            output.print_message("the draft did not change")
        else:
            self._set(details, {"draft": after})
        return False

    def _set_category(self, details: "TicketDetails") -> bool:
        if self._choose(details, "category") and details.ticket.draft:
            output.print_message(
                "the draft was written for the old category: edit it, or quit and run "
                f"ticketctl retry {self._ticket_id} --draft"
            )
        return False

    def _set_team(self, details: "TicketDetails") -> bool:
        self._choose(details, "team")
        return False

    def _choose(self, details: "TicketDetails", name: str) -> bool:
        """Ask for a word of the taxonomy and set it; return False if the reviewer keeps the old one."""

        async def read_words(reviews: "ReviewService") -> "Sequence[str]":
            return reviews.allowed[name]

        words = self._call(read_words)
        for number, word in enumerate(words, start=1):
            output.print_message(f"{number:>4}  {word}")
        answer = _prompt(f"{name}, by name or number (empty: no change)")
        numbered = {str(number): word for number, word in enumerate(words, start=1)}
        if answer:
            self._set(details, {name: numbered.get(answer, answer)})
        return bool(answer)

    def _set(self, details: "TicketDetails", values: Mapping[str, str]) -> None:
        ids, seen = [self._ticket_id], details.ticket.updated_at
        self._decide(lambda reviews: reviews.set(ids, values, by=self._by, seen=seen))
        output.print_message(f"{', '.join(values)} set")

    def _decide(self, work: "Callable[[ReviewService], Awaitable[Sequence[Outcome]]]") -> None:
        """Change the ticket, unless someone else changed it since it was shown. Raise the error of the change."""
        from ticketctl.tickets.decisions import get_ticket

        get_ticket(self._call(work))

    def _call(self, work: "Callable[[ReviewService], Awaitable[Result]]") -> Result:
        from ticketctl.runtime import open_review_service

        return run_on(self._database, open_review_service, work)


def _prompt(question: str, answers: Collection[str] = ()) -> str:
    """Return what the reviewer types; with `answers`, ask until it is one of them, in lower case."""
    while True:
        typed: str = typer.prompt(question, default="", show_default=False, err=True).strip()
        if not answers:
            return typed
        if typed.lower() in answers:
            return typed.lower()
        letters = ", ".join(sorted(answer for answer in answers if len(answer) == 1))
        output.print_message(f"{typed or 'an empty line'} is none of the keys: {letters}")
