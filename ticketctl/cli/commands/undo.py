"""`undo`: take back the last change of one ticket, or what one command did to many."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from ticketctl.cli import completion, error_reporting
from ticketctl.cli.actor import current_actor
from ticketctl.cli.input import is_interactive
from ticketctl.cli.options import JsonOption, parse_ticket_id
from ticketctl.cli.rendering import output
from ticketctl.cli.rendering.timestamps import format_relative
from ticketctl.cli.resources import run_with
from ticketctl.cli.selection import Action, YesOption, announce_undo, report
from ticketctl.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ticketctl.tickets.decisions import ChangedTickets, Outcome
    from ticketctl.tickets.history import Operation
    from ticketctl.tickets.models import Ticket
    from ticketctl.tickets.operator_resources import OperatorResources


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("undo")(undo)


def undo(
    ticket_id: Annotated[
        int | None,
        typer.Argument(
            metavar="[ID]",
            parser=parse_ticket_id,
            help="The ticket's number.",
            show_default=False,
            autocompletion=completion.list_ticket_ids,
        ),
    ] = None,
    *,
    operation: Annotated[
        int | None,
        typer.Option(
            metavar="NUMBER", help="Undo what one command did to all its tickets; history shows the number."
        ),
    ] = None,
    last: Annotated[bool, typer.Option("--last", help="Undo your last command on all its tickets.")] = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Take back a person's last change, or a command.

    Of one ticket, the last change; with --operation or --last, what one command changed on all its tickets. Once more takes back the change before. A change stays if a worker came after it, and, of a command on several
    tickets, if anyone did: `ticketctl history` shows who. Of a command the piped columns are: id, outcome, error.
    """
    if (ticket_id is not None) + (operation is not None) + last != 1:
        raise InvalidInputError(
            "name a ticket, or --operation NUMBER, or --last",
            hint="ticketctl undo 7, or ticketctl undo --last",
        )
    if ticket_id is not None:
        if yes:
            raise InvalidInputError("--yes has no effect on one ticket", hint=f"ticketctl undo {ticket_id}")
        _undo_ticket(ticket_id, as_json=as_json)
    else:
        _undo_command(operation, is_confirmed=yes, as_json=as_json)


def _undo_ticket(ticket_id: int, *, as_json: bool) -> None:
    from ticketctl.runtime import open_operator_resources
    from ticketctl.tickets.undo import undo_last

    by = current_actor()

    async def work(resources: "OperatorResources") -> "tuple[Ticket, str]":
        undone = await undo_last(resources.decisions, ticket_id, by=by)
        await _flush(resources, ticket_id)
        return undone

    ticket, action = run_with(open_operator_resources, work)
    if as_json:
        output.print_json(ticket)
    elif output.is_terminal():
        output.print_rows([[f"ticket {ticket.id}: {action} undone; it is {ticket.status} again"]])
    else:
        output.print_rows([[ticket.id, action]])


def _undo_command(number: int | None, *, is_confirmed: bool, as_json: bool) -> None:
    from ticketctl.runtime import open_operator_resources
    from ticketctl.tickets.undo import get_last_operation, get_operation, undo_operation

    by = current_actor()

    async def look_up(resources: "OperatorResources") -> "ChangedTickets":
        if number is None:
            return await get_last_operation(resources.decisions, by)
        return await get_operation(resources.decisions, number)

    changed = run_with(open_operator_resources, look_up)
    _confirm(changed, is_own=changed.actor == by.name, is_confirmed=is_confirmed)

    async def work(resources: "OperatorResources", operation: "Operation") -> "Sequence[Outcome]":
        outcomes = await undo_operation(resources.decisions, changed, by=by, operation=operation)
        await _flush(resources)
        return outcomes

    with announce_undo(is_one=True) as operation:
        outcomes = run_with(open_operator_resources, lambda resources: work(resources, operation))
        report(outcomes, Action("undo", "undone"), operation, as_json=as_json)


async def _flush(resources: "OperatorResources", ticket_id: int | None = None) -> None:
    unsent = await resources.try_flush(ticket_id)
    if unsent is not None:
        error_reporting.warn(f"messages wait in the outbox: {unsent}")


def _confirm(changed: "ChangedTickets", *, is_own: bool, is_confirmed: bool) -> None:
    """Say what will be undone, and ask on a terminal. Raise InvalidInputError if the answer is no."""
    whose = "your" if is_own else f"{changed.actor}'s"
    age = format_relative(changed.started_at, now=datetime.now(UTC))
    what = f"undo {whose} {changed.action} of {output.count(len(changed.ticket_ids), 'ticket')}, {age} (operation {changed.id})"
    if is_confirmed or not (output.is_terminal() and is_interactive()):
        output.print_message(what)
    elif not typer.confirm(f"{what}?", err=True):
        raise InvalidInputError("nothing was changed", hint="--yes does not ask")
