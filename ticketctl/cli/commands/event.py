"""`event`: an SQS event, as Lambda would get it."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer

from ticketctl.cli.rendering import output
from ticketctl.cli.resources import with_store
from ticketctl.errors import InvalidInputError

if TYPE_CHECKING:
    from ticketctl.tickets.protocols import TicketStore


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("event")(event)


def event(
    ticket_ids: Annotated[
        list[int] | None, typer.Argument(metavar="[ID]...", help="The tickets.", show_default=False)
    ] = None,
    *,
    status: Annotated[str | None, typer.Option(help="Tickets of this status, the oldest first.")] = None,
    limit: Annotated[int, typer.Option(help="Records at most, with --status.")] = 10,
) -> None:
    """Print an SQS event for tickets, to be replayed by `ticketctl process`."""
    from ticketctl.tickets import messages, service
    from ticketctl.tickets.filters import TicketFilter
    from ticketctl.tickets.statuses import TicketStatus

    if bool(ticket_ids) == (status is not None):
        raise InvalidInputError("name tickets, or a status", hint="ticketctl event --status new")
    if status is not None and status not in set(TicketStatus):
        raise InvalidInputError(f"there is no status {status}", hint=f"it can be {', '.join(TicketStatus)}")

    async def work(store: "TicketStore") -> list[int]:
        if status is None:
            return [(await service.show(store, ticket_id)).ticket.id for ticket_id in ticket_ids or []]
        wanted = TicketFilter(status=TicketStatus(status))
        page = await service.list_tickets(store, wanted, sort="created", limit=limit)
        return [ticket.id for ticket in page.tickets]

    found = with_store(work)
    if not found:
        raise InvalidInputError(f"no ticket is {status}", hint="ticketctl create SUBJECT makes one")
    wire = [messages.TicketMessage(message_id=str(uuid4()), ticket_id=ticket_id) for ticket_id in found]
    output.print_json(messages.build_event(wire, sent_at=datetime.now(UTC)))
