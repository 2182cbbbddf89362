"""`review`, `approve`, `reject`, `set`: a person's word on what the pipeline made of a ticket."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from ticketctl.cli.commands.tickets import AsJson, TicketId
from ticketctl.cli.input import read_text
from ticketctl.cli.rendering import output
from ticketctl.cli.resources import load_settings, with_review_service

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ticketctl.tickets.models import Ticket, TicketDetails
    from ticketctl.tickets.review import ReviewService


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("review")(review)
    app.command("approve")(approve)
    app.command("reject")(reject)
    app.command("set")(set_fields)


def review(
    *,
    limit: Annotated[int, typer.Option(help="Tickets at most, 1 to 1000.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Go through the tickets that need a person, the oldest first.

    On a terminal you see what the pipeline thought, how sure it was and why it asks; then you approve, edit,
    reject, reroute. Without a terminal the tickets are listed; the columns are: id, category, confidence,
    team, created, subject, reasons.
    """
    if not as_json and output.on_terminal() and sys.stdin.isatty():
        from ticketctl.cli.commands.review_session import go_through
        from ticketctl.runtime import database

        with database(load_settings()) as found:
            go_through(found, limit)
        return

    async def work(reviews: "ReviewService") -> "list[TicketDetails]":
        return await reviews.list_waiting(limit)

    _print_waiting(with_review_service(work), as_json=as_json)


def approve(ticket_id: TicketId, *, as_json: AsJson = False) -> None:
    """Take what the pipeline made of a ticket as your own word: it is processed, and no run changes it."""

    async def work(reviews: "ReviewService") -> "Ticket":
        return await reviews.approve(ticket_id)

    _print(with_review_service(work), "approved", as_json=as_json)


def reject(
    ticket_id: TicketId,
    *,
    reason: Annotated[str | None, typer.Option(help="Kept with the try.", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Drop a ticket's draft, to answer it yourself: it is processed, and no run drafts another reply.

    The rest of what the pipeline said stays; `ticketctl set` corrects it.
    """

    async def work(reviews: "ReviewService") -> "Ticket":
        return await reviews.reject(ticket_id, reason)

    _print(with_review_service(work), "draft rejected", as_json=as_json)


def set_fields(
    ticket_id: TicketId,
    *,
    category: Annotated[str | None, typer.Option(help="One of the taxonomy's.")] = None,
    priority: Annotated[str | None, typer.Option(help="One of the taxonomy's.")] = None,
    team: Annotated[str | None, typer.Option(help="One of the taxonomy's.")] = None,
    language: Annotated[str | None, typer.Option(metavar="CODE", help="en, de, und, ...")] = None,
    sentiment: Annotated[str | None, typer.Option(help="negative, neutral or positive.")] = None,
    draft_file: Annotated[
        str | None, typer.Option(metavar="PATH|-", help="Read the reply from a file, or stdin.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Correct a ticket: what you set is marked as a human's word, and no run ever overwrites it.

    The team follows the routing rules, unless you set it too. The status stays; `ticketctl approve` ends a
    review.
    """
    chosen = {
        "category": category,
        "priority": priority,
        "team": team,
        "language": language,
        "sentiment": sentiment,
        "draft": None if draft_file is None else read_text(draft_file),
    }
    values = {name: value for name, value in chosen.items() if value is not None}

    async def work(reviews: "ReviewService") -> "Ticket":
        return await reviews.set(ticket_id, values)

    _print(with_review_service(work), f"{', '.join(values)} set", as_json=as_json)


def _print(ticket: "Ticket", done: str, *, as_json: bool) -> None:
    if as_json:
        output.print_json(ticket)
    elif output.on_terminal():
        output.print_rows([[f"ticket {ticket.id}: {done}; {ticket.status}, team {ticket.team or 'none'}"]])
    else:
        output.print_rows([[ticket.id]])


def _print_waiting(waiting: "Sequence[TicketDetails]", *, as_json: bool) -> None:
    import msgspec

    from ticketctl.cli.rendering.timestamps import iso
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
        sure = None if ticket.confidence is None else f"{ticket.confidence:.2f}"
        why = "; ".join(list_review_reasons(details))
        output.print_rows(
            [[ticket.id, ticket.category, sure, ticket.team, iso(ticket.created_at), ticket.subject, why]]
        )
