"""`approve`, `reject`, `set`: a reviewer's decisions on tickets."""

from typing import TYPE_CHECKING, Annotated

import typer

from ticketctl.cli import completion
from ticketctl.cli.filter_options import with_filter_options
from ticketctl.cli.input import read_text
from ticketctl.cli.options import JsonOption, choice
from ticketctl.cli.rendering import output
from ticketctl.cli.resources import run_with
from ticketctl.cli.selection import (
    EVERY,
    Action,
    AllOption,
    Selection,
    TicketIdsArgument,
    YesOption,
    decide,
    parse_ids,
)
from ticketctl.tickets.filters import TicketFilter

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


@with_filter_options
def approve(
    ticket_ids: TicketIdsArgument = None,
    wanted: TicketFilter = EVERY,
    *,
    everything: AllOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Accept tickets as they are and end their review.

    All their fields count as set by a human then: the tickets are processed, and no later run changes them.
    """

    async def decide_on(reviews: "ReviewService", ticket_id: int) -> "Ticket":
        return await reviews.approve(ticket_id)

    selection = Selection(ticket_ids or (), wanted, everything, yes)
    _decide(decide_on, selection, Action("approve", "approved"), as_json=as_json)


@with_filter_options
def reject(
    ticket_ids: TicketIdsArgument = None,
    wanted: TicketFilter = EVERY,
    *,
    reason: Annotated[
        str | None, typer.Option(help="Why; kept with the last attempt.", show_default=False)
    ] = None,
    everything: AllOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Drop the draft replies of tickets, end their review.

    You answer them yourself: the tickets are processed, and no later run drafts another reply. Category, priority
    and the other fields stay; `ticketctl set` corrects them.
    """

    async def decide_on(reviews: "ReviewService", ticket_id: int) -> "Ticket":
        return await reviews.reject(ticket_id, reason)

    selection = Selection(ticket_ids or (), wanted, everything, yes)
    _decide(decide_on, selection, Action("reject the drafts of", "rejected"), as_json=as_json)


def set_fields(
    ticket_ids: TicketIdsArgument = None,
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
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Correct fields of tickets; no run overwrites them.

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

    async def decide_on(reviews: "ReviewService", ticket_id: int) -> "Ticket":
        return await reviews.set(ticket_id, values)

    selection = Selection(ticket_ids or (), EVERY, is_all=False, is_confirmed=yes)
    _decide(decide_on, selection, Action(f"set {', '.join(values)} of", "set"), as_json=as_json)


def _decide(
    decide_on: "Callable[[ReviewService, int], Awaitable[Ticket]]",
    selection: Selection,
    action: Action,
    *,
    as_json: bool,
) -> None:
    from ticketctl.runtime import open_review_service

    if not selection.is_one or selection.wanted != EVERY:
        decide(
            open_review_service,
            lambda reviews: reviews.tickets,
            decide_on,
            selection,
            action,
            as_json=as_json,
        )
        return
    (ticket_id,) = parse_ids(selection.texts)
    ticket = run_with(open_review_service, lambda reviews: decide_on(reviews, ticket_id))
    if as_json:
        output.print_json(ticket)
    elif output.is_terminal():
        output.print_rows(
            [[f"ticket {ticket.id} {action.done}; {ticket.status}, team {ticket.team or 'none'}"]]
        )
    else:
        output.print_rows([[ticket.id]])
