"""`event`: print an SQS event as Lambda receives it."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer

from ticketctl.cli import completion
from ticketctl.cli.options import STATUSES, choice
from ticketctl.cli.rendering import output
from ticketctl.cli.resources import run_with
from ticketctl.errors import InvalidInputError

if TYPE_CHECKING:
    from ticketctl.tickets.protocols import TicketStore


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("event")(event)


def event(
    ticket_ids: Annotated[
        list[int] | None,
        typer.Argument(
            metavar="ID", help="Tickets.", show_default=False, autocompletion=completion.list_ticket_ids
        ),
    ] = None,
    *,
    status: Annotated[
        str | None, choice(STATUSES, help="Tickets with this status, oldest first, instead of IDs.")
    ] = None,
    limit: Annotated[int, typer.Option(help="Records at most, with --status.")] = 10,
) -> None:
    """Print an SQS event for tickets.

    `ticketctl process` runs the worker on it.
    """
    from ticketctl.runtime import open_store
    from ticketctl.tickets import messages, service
    from ticketctl.tickets.filters import TicketFilter
    from ticketctl.tickets.statuses import TicketStatus

    if bool(ticket_ids) == (status is not None):
        raise InvalidInputError("name tickets, or a status", hint="ticketctl event --status new")

    async def work(store: "TicketStore") -> list[int]:
        if status is None:
            return [(await service.show(store, ticket_id)).ticket.id for ticket_id in ticket_ids or []]
        wanted = TicketFilter(status=(TicketStatus(status),))
        page = await service.list_tickets(store, wanted, sort="created", limit=limit)
        return [ticket.id for ticket in page.tickets]

    selected = run_with(open_store, work)
    if not selected:
        raise InvalidInputError(f"no ticket is {status}", hint="ticketctl create SUBJECT makes one")
    wire = [messages.TicketMessage(message_id=str(uuid4()), ticket_id=ticket_id) for ticket_id in selected]
    output.print_json(messages.build_event(wire, sent_at=datetime.now(UTC)))
