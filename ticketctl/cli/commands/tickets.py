"""`create`, `list`, `show`, `close`: what a person does with tickets."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Annotated

import typer

from ticketctl.cli import editor, error_reporting
from ticketctl.cli.commands.retry import STUCK_AFTER, OlderThan, show_stuck
from ticketctl.cli.filter_options import with_filter_options
from ticketctl.cli.input import is_typed, read_text
from ticketctl.cli.operator_resources import with_operator_resources
from ticketctl.cli.rendering import output, ticket_tables
from ticketctl.cli.resources import load_settings, with_store
from ticketctl.errors import InvalidInputError
from ticketctl.tickets.filters import TicketFilter

if TYPE_CHECKING:
    from ticketctl.runtime import OperatorResources
    from ticketctl.tickets.models import NewTicket, Ticket, TicketDetails
    from ticketctl.tickets.protocols import TicketPage, TicketStore

TicketId = Annotated[int, typer.Argument(metavar="ID", help="The ticket's number.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("create")(create)
    app.command("list")(list_tickets)
    app.command("show")(show)
    app.command("close")(close)


def create(
    subject: Annotated[str | None, typer.Argument(help="1 to 500 characters.", show_default=False)] = None,
    *,
    body: Annotated[str | None, typer.Option(help="The text.", show_default=False)] = None,
    body_file: Annotated[
        str | None, typer.Option(metavar="PATH|-", help="Read the text from a file, or stdin.")
    ] = None,
    requester: Annotated[str | None, typer.Option(metavar="EMAIL", help="Who asks.")] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(metavar="KEY", help="The same key again makes no second ticket.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Create a ticket, and the message that brings it to a worker.

    Without SUBJECT and text, on a terminal, your editor opens.
    """
    from ticketctl.tickets import service

    ticket = _written(subject, body, body_file, requester, idempotency_key)

    async def work(resources: "OperatorResources") -> "tuple[Ticket, bool]":
        made, new = await service.create(resources.store, ticket)
        unsent = await resources.try_flush(made.id)
        if unsent is not None:
            error_reporting.warn(
                f"ticket {made.id} is accepted, but its message waits in the outbox: {unsent}"
            )
        return made, new

    made, new = with_operator_resources(work)
    if as_json:
        output.print_json(made)
    elif not output.on_terminal():
        output.print_rows([[made.id]])
    else:
        output.print_rows([[f"ticket {made.id} {'created' if new else 'was there already'}"]])
        if new:
            output.say(f"next: ticketctl event {made.id} | ticketctl process -")


@with_filter_options
def list_tickets(
    context: typer.Context,
    wanted: TicketFilter,
    *,
    sort: Annotated[str, typer.Option(help="-created, created, -updated or updated.")] = "-created",
    limit: Annotated[int, typer.Option(help="Tickets on the page, 1 to 1000.")] = 20,
    after: Annotated[
        str | None, typer.Option(metavar="CURSOR", help="The page after this one's end.")
    ] = None,
    stuck: Annotated[
        bool, typer.Option("--stuck", help="Only tickets that wait for too long, and why; no other filter.")
    ] = False,
    older_than: OlderThan = STUCK_AFTER,
    as_json: AsJson = False,
) -> None:
    """List tickets, the newest first.

    Piped, the columns are: id, status, priority, category, team, confidence, requester, created, subject;
    with --stuck: id, status, since, reason, subject.
    """
    from ticketctl.tickets import service

    if stuck:
        _refuse_other_options(context, allowed={"stuck", "older_than", "limit", "as_json"})
        show_stuck(older_than, limit, as_json=as_json)
        return

    async def work(store: "TicketStore") -> "TicketPage":
        return await service.list_tickets(store, wanted, sort=sort, limit=limit, after=after, count=as_json)

    page = with_store(work)
    if as_json:
        output.print_json(page)
        return
    ticket_tables.print_list(page.tickets)
    if page.next_cursor is not None and output.on_terminal():
        output.say(f"more: --after {page.next_cursor}")
    elif not page.tickets and output.on_terminal():
        output.say("no tickets" if wanted != TicketFilter() else "no tickets yet: ticketctl create SUBJECT")


def _refuse_other_options(context: typer.Context, *, allowed: Collection[str]) -> None:
    """Raise for options that `--stuck` would ignore."""
    given = [name for name in context.params if name not in allowed and _is_given(context, name)]
    if given:
        options = " and ".join(f"--{name.replace('_', '-')}" for name in given)
        raise InvalidInputError(
            f"--stuck cannot be combined with {options}", hint="ticketctl list --stuck --older-than 1h"
        )


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def show(ticket_id: TicketId, *, as_json: AsJson = False) -> None:
    """Show a ticket: what the pipeline made of it, step by step, what that cost, and every try."""
    from ticketctl.tickets import service
    from ticketctl.tickets.pricing import parse_prices
    from ticketctl.tickets.views import TicketView

    async def work(store: "TicketStore") -> "TicketDetails":
        return await service.show(store, ticket_id)

    details = with_store(work)
    prices = parse_prices(load_settings())
    if as_json:
        output.print_json(TicketView.of(details, prices))
    else:
        ticket_tables.print_details(details, prices)


def close(ticket_id: TicketId, *, as_json: AsJson = False) -> None:
    """Close a ticket; a worker that is at it writes nothing more."""
    from ticketctl.tickets import service

    async def work(store: "TicketStore") -> "Ticket":
        return await service.close(store, ticket_id)

    ticket = with_store(work)
    if as_json:
        output.print_json(ticket)
    else:
        output.print_rows([[f"ticket {ticket.id} closed"] if output.on_terminal() else [ticket.id]])


def _written(
    subject: str | None,
    body: str | None,
    body_file: str | None,
    requester: str | None,
    idempotency_key: str | None,
) -> "NewTicket":
    from ticketctl.tickets.models import NewTicket

    if body is not None and body_file is not None:
        raise InvalidInputError("--body and --body-file were both given", hint="give one of them")
    if body_file is not None:
        body = read_text(body_file)
    if subject is None and body is None and output.on_terminal() and is_typed():
        subject, body = editor.write_ticket()
    if subject is None:
        raise InvalidInputError("the subject is missing", hint="ticketctl create 'My printer is on fire'")
    return NewTicket(subject=subject, body=body or "", requester=requester, idempotency_key=idempotency_key)
