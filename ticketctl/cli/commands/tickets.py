"""`create`, `show`, `close`, `reopen`."""

from typing import TYPE_CHECKING, Annotated

import typer

from ticketctl.cli import editor, error_reporting
from ticketctl.cli.actor import current_actor
from ticketctl.cli.filter_options import with_filter_options
from ticketctl.cli.input import STDIN, is_interactive, is_piped, read_text
from ticketctl.cli.options import JqOption, JsonOption, TicketIdArgument, fields_option
from ticketctl.cli.rendering import output, ticket_tables
from ticketctl.cli.resources import load_settings, run_with
from ticketctl.cli.selection import (
    EVERY,
    Action,
    AllOption,
    Selection,
    TicketIdsArgument,
    YesOption,
    apply_to,
)
from ticketctl.errors import InvalidInputError
from ticketctl.tickets.filters import TicketFilter

if TYPE_CHECKING:
    from ticketctl.tickets.models import NewTicket, Ticket, TicketDetails
    from ticketctl.tickets.operator_resources import OperatorResources
    from ticketctl.tickets.protocols import TicketStore


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("create")(create)
    app.command("show")(show)
    app.command("close")(close)
    app.command("reopen")(reopen)


def create(
    subject: Annotated[
        str | None, typer.Argument(metavar="[SUBJECT]", help="1 to 500 characters.", show_default=False)
    ] = None,
    *,
    body: Annotated[str | None, typer.Option(help="The ticket's text.", show_default=False)] = None,
    body_file: Annotated[
        str | None, typer.Option(metavar="FILE|-", help="Read the text from a file, or from stdin.")
    ] = None,
    requester: Annotated[
        str | None, typer.Option(metavar="EMAIL", help="The address of the person who asks.")
    ] = None,
    idempotency_key: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="A second call with this key creates no second ticket."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Create a ticket and queue it for processing.

    Without --body and --body-file, the text is what is piped in. On a terminal, without SUBJECT, your editor opens.
    """
    from ticketctl.runtime import open_operator_resources
    from ticketctl.tickets import service

    ticket = _read_ticket(subject, body, body_file, requester, idempotency_key)

    async def work(resources: "OperatorResources") -> "tuple[Ticket, bool]":
        created, is_new = await service.create(resources.store, ticket)
        unsent = await resources.try_flush(created.id)
        if unsent is not None:
            error_reporting.warn(
                f"ticket {created.id} is accepted, but its message waits in the outbox: {unsent}"
            )
        return created, is_new

    created, is_new = run_with(open_operator_resources, work)
    if as_json:
        output.print_json(created)
    elif not output.is_terminal():
        output.print_rows([[created.id]])
    else:
        output.print_rows([[f"ticket {created.id} {'created' if is_new else 'existed already'}"]])
        if is_new:
            output.print_message("next: ticketctl work --drain")


def show(
    ticket_id: TicketIdArgument,
    *,
    fields: Annotated[
        str | None, fields_option("Only these columns, such as subject,draft; also with --json.")
    ] = None,
    as_json: JsonOption = False,
    program: JqOption = None,
) -> None:
    """Show a ticket with its steps, costs, attempts, notes.

    Piped, there is a line per column with its name and its value, then lines that begin with step, try, note, cost. With
    --fields there is one line, with the columns that you name, as in `ticketctl list --fields`.
    """
    from ticketctl.runtime import open_store
    from ticketctl.tickets import service
    from ticketctl.tickets.pricing import parse_prices
    from ticketctl.tickets.views import TicketView

    async def work(store: "TicketStore") -> "TicketDetails":
        return await service.show(store, ticket_id)

    details = run_with(open_store, work)
    prices, names = parse_prices(load_settings()), None if fields is None else fields.split(",")
    if as_json or program is not None:
        view = TicketView.of(details, prices)
        output.print_json(view if names is None else ticket_tables.choose_fields(view, names), program)
    elif names is not None:
        ticket_tables.print_ticket_fields(details.ticket, names)
    else:
        ticket_tables.print_details(details, prices)


@with_filter_options
def close(
    ticket_ids: TicketIdsArgument = None,
    wanted: TicketFilter = EVERY,
    *,
    everything: AllOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Close tickets, so that no worker changes them.

    A worker that is processing a closed ticket loses its lease. Of several tickets the piped columns are: id,
    outcome, error.
    """
    from ticketctl.tickets.decisions import Decision

    selection = Selection(ticket_ids or (), wanted, everything, yes)
    apply_to(Decision(action="close"), selection, Action("close", "closed"), as_json=as_json)


@with_filter_options
def reopen(
    ticket_ids: TicketIdsArgument = None,
    wanted: TicketFilter = EVERY,
    *,
    everything: AllOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Reopen closed tickets.

    A ticket that was processed before it was closed needs a review then; another one is queued for a worker. Of
    several tickets the piped columns are: id, outcome, error.
    """
    from ticketctl.tickets.decisions import Decision

    selection = Selection(ticket_ids or (), wanted, everything, yes)
    apply_to(Decision(action="reopen"), selection, Action("reopen", "reopened"), as_json=as_json)


def _read_ticket(
    subject: str | None,
    body: str | None,
    body_file: str | None,
    requester: str | None,
    idempotency_key: str | None,
) -> "NewTicket":
    from ticketctl.tickets.models import NewTicket

    if body is not None and body_file is not None:
        raise InvalidInputError("--body and --body-file were both given", hint="give one of them")
    if body is None and body_file is None and subject is not None and is_piped():
        body_file = STDIN
    if body_file is not None:
        body = read_text(body_file)
    if subject is None and body is None and output.is_terminal() and is_interactive():
        subject, body = editor.write_ticket()
    if subject is None:
        raise InvalidInputError("the subject is missing", hint="ticketctl create 'My printer is on fire'")
    return NewTicket(
        subject=subject,
        body=body or "",
        requester=requester,
        idempotency_key=idempotency_key,
        created_by=str(current_actor()),
    )
