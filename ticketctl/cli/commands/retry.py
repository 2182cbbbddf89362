"""`retry`: queue tickets again that failed or are stuck."""

from typing import TYPE_CHECKING, Annotated

import typer

from ticketctl.cli import error_reporting
from ticketctl.cli.options import STUCK_AFTER, JsonOption, OlderThanOption, parse_age
from ticketctl.cli.rendering import output
from ticketctl.cli.resources import run_with
from ticketctl.cli.selection import TicketIdsArgument, parse_ids
from ticketctl.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ticketctl.runtime import OperatorResources


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("retry")(retry)


def retry(
    ticket_ids: TicketIdsArgument = None,
    *,
    failed: Annotated[bool, typer.Option("--failed", help="All failed tickets.")] = False,
    stuck: Annotated[bool, typer.Option("--stuck", help="All stuck tickets.")] = False,
    older_than: OlderThanOption = STUCK_AFTER,
    as_json: JsonOption = False,
) -> None:
    """Queue failed or stuck tickets again.

    Saved steps are used again, so that the AI provider is not paid twice. Prints the tickets that were queued.
    """
    from ticketctl.runtime import open_operator_resources
    from ticketctl.tickets import operations

    named = parse_ids(ticket_ids or ())
    if bool(named) == (failed or stuck):
        raise InvalidInputError("name tickets, or --failed or --stuck", hint="ticketctl retry --failed")
    stuck_for = parse_age(older_than) if stuck else None

    async def work(resources: "OperatorResources") -> "Sequence[int]":
        selected = named or await operations.select_retries(
            resources.operations, failed=failed, stuck=stuck_for
        )
        retried = await operations.retry(resources.operations, selected)
        unsent = await resources.try_flush()
        if unsent is not None:
            error_reporting.warn(f"their messages wait in the outbox: {unsent}")
        return retried

    retried = run_with(open_operator_resources, work)
    if as_json:
        output.print_json({"retried": retried})
    else:
        output.print_rows([ticket_id] for ticket_id in retried)
    if named and len(retried) < len(named):
        left = sorted(set(named) - set(retried))
        error_reporting.warn(
            f"not queued: {', '.join(map(str, left))} (settled, in progress, or no such ticket)"
        )
