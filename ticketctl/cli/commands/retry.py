"""`retry`: queue tickets again that failed or are stuck, or only draft their replies again."""

from typing import TYPE_CHECKING, Annotated

import typer

from ticketctl.cli import error_reporting
from ticketctl.cli.actor import current_actor
from ticketctl.cli.filter_options import with_filter_options
from ticketctl.cli.options import STUCK_AFTER, JsonOption, OlderThanOption, parse_age, require_stuck
from ticketctl.cli.rendering import output
from ticketctl.cli.resources import run_with
from ticketctl.cli.selection import (
    EVERY,
    AllOption,
    Selection,
    TicketIdsArgument,
    YesOption,
    announce_undo,
    confirm,
    list_matching,
    parse_ids,
)
from ticketctl.errors import InvalidInputError, UnsafeError
from ticketctl.tickets.filters import TicketFilter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ticketctl.tickets.decisions import Outcome
    from ticketctl.tickets.history import Operation
    from ticketctl.tickets.operator_resources import OperatorResources
    from ticketctl.tickets.review import ReviewService


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("retry")(retry)


@with_filter_options
def retry(
    context: typer.Context,
    ticket_ids: TicketIdsArgument = None,
    wanted: TicketFilter = EVERY,
    *,
    failed: Annotated[bool, typer.Option("--failed", help="All failed tickets.")] = False,
    stuck: Annotated[bool, typer.Option("--stuck", help="All stuck tickets.")] = False,
    draft: Annotated[
        bool,
        typer.Option(
            "--draft", help="Only replace the drafts of processed tickets, from the reply templates."
        ),
    ] = False,
    older_than: OlderThanOption = STUCK_AFTER,
    everything: AllOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Queue failed or stuck tickets again.

    Saved steps are used again, so that the AI provider is not paid twice. With --draft, a ticket whose category was
    corrected gets the draft of that category. Prints the tickets that were queued, or got another draft.
    """
    selection = Selection(ticket_ids or (), wanted, everything, yes)
    require_stuck(context, stuck=stuck)
    is_selected = not (failed or stuck)
    if draft and not is_selected:
        raise InvalidInputError("--draft needs processed tickets", hint="ticketctl retry 7 --draft")
    if is_selected:
        selection.check()
    elif ticket_ids or everything or wanted != EVERY:
        raise InvalidInputError(
            "--failed and --stuck choose the tickets themselves", hint="ticketctl retry --failed"
        )
    ids = _select(selection, older_than, failed=failed, stuck=stuck)
    if is_selected:
        confirm(ids, selection, "draft a reply again for" if draft else "retry")
    elif not ids:
        output.print_message("no ticket has failed" if failed else "no ticket is stuck")
    change = _redraft if draft else _retry
    done = "drafted" if draft else "queued"
    with announce_undo(is_one=selection.is_one) as operation:
        outcomes = change(ids, operation) if ids else ()
        _report(outcomes, done, operation, is_strict=is_selected, as_json=as_json)


def _select(selection: Selection, older_than: str, *, failed: bool, stuck: bool) -> "Sequence[int]":
    from ticketctl.runtime import open_operator_resources
    from ticketctl.tickets import operations

    stuck_for = parse_age(older_than) if stuck else None

    async def select(resources: "OperatorResources") -> "Sequence[int]":
        if selection.is_all:
            return await list_matching(resources.store, selection.wanted)
        return await operations.select_retries(resources.operations, failed=failed, stuck=stuck_for)

    return parse_ids(selection.texts) if selection.texts else run_with(open_operator_resources, select)


def _retry(ids: "Sequence[int]", operation: "Operation") -> "Sequence[Outcome]":
    from ticketctl.runtime import open_operator_resources
    from ticketctl.tickets import decisions

    by = current_actor()

    async def work(resources: "OperatorResources") -> "Sequence[Outcome]":
        decision = decisions.Decision(action="retry")
        outcomes = await decisions.apply(resources.decisions, decision, ids, by=by, operation=operation)
        unsent = await resources.try_flush()
        if unsent is not None:
            error_reporting.warn(f"their messages wait in the outbox: {unsent}")
        return outcomes

    return run_with(open_operator_resources, work)


def _redraft(ids: "Sequence[int]", operation: "Operation") -> "Sequence[Outcome]":
    from ticketctl.runtime import open_review_service

    by = current_actor()

    async def work(reviews: "ReviewService") -> "Sequence[Outcome]":
        return await reviews.redraft(ids, by=by, operation=operation)

    return run_with(open_review_service, work)


def _report(
    outcomes: "Sequence[Outcome]", done: str, operation: "Operation", *, is_strict: bool, as_json: bool
) -> None:
    """Print the tickets that were queued or drafted (`done`).

    `is_strict`: a ticket that the person named and that was not is an error.
    """
    retried = [one.id for one in outcomes if one.error is None]
    refused = [one.error for one in outcomes if one.error is not None]
    if is_strict and len(outcomes) == 1 and refused:
        raise refused[0]
    if as_json:
        output.print_json({"operation": operation.id if operation.changed else None, "retried": retried})
    else:
        output.print_rows([ticket_id] for ticket_id in retried)
    for error in refused:
        error_reporting.warn(f"not {done}: {error}")
    if is_strict and refused:
        raise UnsafeError(
            f"{len(refused)} of {len(outcomes)} tickets were not {done}", hint="the warnings say why for each"
        )
