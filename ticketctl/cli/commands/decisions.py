"""`approve`, `reject`, `set`: a reviewer's decision on one ticket."""

from typing import TYPE_CHECKING, Annotated

import typer

from ticketctl.cli import completion
from ticketctl.cli.input import read_text
from ticketctl.cli.options import JsonOption, TicketIdArgument, choice
from ticketctl.cli.rendering import output
from ticketctl.cli.resources import run_with

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ticketctl.tickets.models import Ticket
    from ticketctl.tickets.review import ReviewService

SENTIMENTS = ("negative", "neutral", "positive")


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("approve")(approve)
    app.command("reject")(reject)
    app.command("set")(set_fields)


def approve(ticket_id: TicketIdArgument, *, as_json: JsonOption = False) -> None:
    """Accept a ticket as it is and end its review.

    All its fields count as set by a human then: the ticket is processed, and no later run changes it.
    """

    async def work(reviews: "ReviewService") -> "Ticket":
        return await reviews.approve(ticket_id)

    _decide(work, "approved", as_json=as_json)


def reject(
    ticket_id: TicketIdArgument,
    *,
    reason: Annotated[
        str | None, typer.Option(help="Why; kept with the last attempt.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Drop a ticket's draft reply and end its review.

    You answer it yourself: the ticket is processed, and no later run drafts another reply. Category, priority
    and the other fields stay; `ticketctl set` corrects them.
    """

    async def work(reviews: "ReviewService") -> "Ticket":
        return await reviews.reject(ticket_id, reason)

    _decide(work, "draft rejected", as_json=as_json)


def set_fields(
    ticket_id: TicketIdArgument,
    *,
    category: Annotated[
        str | None,
        typer.Option(help="A category of the taxonomy.", autocompletion=completion.list_categories),
    ] = None,
    priority: Annotated[str | None, choice(completion.list_priorities, help="The new priority.")] = None,
    team: Annotated[
        str | None, typer.Option(help="A team of the taxonomy.", autocompletion=completion.list_teams)
    ] = None,
    language: Annotated[str | None, typer.Option(metavar="CODE", help="en, de, und, ...")] = None,
    sentiment: Annotated[str | None, choice(SENTIMENTS, help="The new sentiment.")] = None,
    draft_file: Annotated[
        str | None, typer.Option(metavar="FILE|-", help="Read the reply from a file, or from stdin.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Correct a ticket's fields; no run overwrites them.

    The team follows the routing rules, unless you set it too. The status stays; `ticketctl approve` ends a
    review.
    """
    options = {
        "category": category,
        "priority": priority,
        "team": team,
        "language": language,
        "sentiment": sentiment,
        "draft": None if draft_file is None else read_text(draft_file),
    }
    values = {name: value for name, value in options.items() if value is not None}

    async def work(reviews: "ReviewService") -> "Ticket":
        return await reviews.set(ticket_id, values)

    _decide(work, f"{', '.join(values)} set", as_json=as_json)


def _decide(work: "Callable[[ReviewService], Awaitable[Ticket]]", done: str, *, as_json: bool) -> None:
    from ticketctl.runtime import open_review_service

    ticket = run_with(open_review_service, work)
    if as_json:
        output.print_json(ticket)
    elif output.is_terminal():
        output.print_rows([[f"ticket {ticket.id}: {done}; {ticket.status}, team {ticket.team or 'none'}"]])
    else:
        output.print_rows([[ticket.id]])
