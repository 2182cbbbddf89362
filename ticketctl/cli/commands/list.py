"""`list`: find tickets."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from ticketctl.cli.filter_options import with_filter_options
from ticketctl.cli.options import (
    STUCK_AFTER,
    JqOption,
    JsonOption,
    OlderThanOption,
    choice,
    fields_option,
    is_given,
    parse_age,
    require_stuck,
)
from ticketctl.cli.rendering import output, ticket_tables, timestamps
from ticketctl.cli.resources import run_with
from ticketctl.cli.watching import WatchOption, watch
from ticketctl.errors import InvalidInputError
from ticketctl.tickets.filters import TicketFilter
from ticketctl.tickets.sorting import DEFAULT_SORT, SORTS

if TYPE_CHECKING:
    from ticketctl.tickets.operator_resources import OperatorResources
    from ticketctl.tickets.protocols import StuckTicket, TicketPage, TicketStore


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("list")(list_tickets)


def _choose_fields(page: "TicketPage", names: Sequence[str]) -> dict[str, Any]:
    form: dict[str, Any] = msgspec.to_builtins(page)
    return form | {"tickets": [ticket_tables.choose_fields(ticket, names) for ticket in page.tickets]}


@with_filter_options
def list_tickets(
    context: typer.Context,
    wanted: TicketFilter,
    *,
    sort: Annotated[
        str,
        choice(
            SORTS, "--sort", help="The order; a - means descending, for times newest first; default -created."
        ),
    ] = DEFAULT_SORT,
    limit: Annotated[int, typer.Option(help="Tickets on the page, 1 to 1000.")] = 20,
    after: Annotated[
        str | None, typer.Option(metavar="CURSOR", help="Show the page after this cursor.")
    ] = None,
    fields: Annotated[
        str | None, fields_option("Show these columns, such as id,subject; also with --json.")
    ] = None,
    stuck: Annotated[
        bool, typer.Option("--stuck", help="Only tickets that wait for too long, and why; no other filter.")
    ] = False,
    older_than: OlderThanOption = STUCK_AFTER,
    watched: WatchOption = False,
    as_json: JsonOption = False,
    program: JqOption = None,
) -> None:
    """List tickets, newest first.

    Piped, the columns are: id, status, priority, category, team, confidence, requester, created, subject;
    with --stuck: id, status, since, reason, subject.
    """
    from ticketctl.runtime import open_store
    from ticketctl.tickets import service

    require_stuck(context, stuck=stuck)
    if stuck:
        _refuse_other_options(context, allowed={"stuck", "older_than", "limit", "as_json", "watched"})
        watch(lambda: _list_stuck(older_than, limit, as_json=as_json), is_watched=watched)
        return
    needs_json = as_json or program is not None

    async def work(store: "TicketStore") -> "TicketPage":
        return await service.list_tickets(
            store, wanted, sort=sort, limit=limit, after=after, count=needs_json
        )

    def draw() -> None:
        page = run_with(open_store, work)
        if needs_json:
            output.print_json(page if fields is None else _choose_fields(page, fields.split(",")), program)
        else:
            _print_page(page, fields, is_filtered=wanted != TicketFilter())

    watch(draw, is_watched=watched)


def _print_page(page: "TicketPage", fields: str | None, *, is_filtered: bool) -> None:
    if fields is None:
        ticket_tables.print_list(page.tickets)
    else:
        ticket_tables.print_fields(page.tickets, fields.split(","))
    if page.next_cursor is not None and output.is_terminal():
        output.print_message(f"more: --after {page.next_cursor}")
    elif not page.tickets and output.is_terminal():
        output.print_message("no tickets" if is_filtered else "no tickets yet: ticketctl create SUBJECT")


def _refuse_other_options(context: typer.Context, *, allowed: Collection[str]) -> None:
    """Raise for options that `--stuck` would ignore."""
    given = [name for name in context.params if name not in allowed and is_given(context, name)]
    if given:
        options = " and ".join(f"--{name.replace('_', '-')}" for name in given)
        raise InvalidInputError(
            f"--stuck cannot be combined with {options}", hint="ticketctl list --stuck --older-than 1h"
        )


def _list_stuck(older_than: str, limit: int, *, as_json: bool) -> None:
    from ticketctl.runtime import open_operator_resources

    stuck_for = parse_age(older_than)

    async def work(resources: "OperatorResources") -> "list[tuple[StuckTicket, str]]":
        from ticketctl.tickets import operations

        now, elsewhere = datetime.now(UTC), resources.sender is not None
        stuck = await resources.operations.list_stuck(stuck_for, limit=limit)
        return [(one, operations.explain_stuck(one, now=now, elsewhere=elsewhere)) for one in stuck]

    stuck = run_with(open_operator_resources, work)
    if as_json:
        forms = [_stuck_form(one, reason) for one, reason in stuck]
        output.print_json({"tickets": forms, "total": len(forms), "next_cursor": None})
    elif not output.is_terminal():
        output.print_rows(
            [one.ticket.id, one.ticket.status, timestamps.format_iso(one.since), reason, one.ticket.subject]
            for one, reason in stuck
        )
    elif not stuck:
        output.print_message("no ticket is stuck")
    else:
        now = datetime.now(UTC)
        output.print_table(
            ("ID", "STATUS", "SINCE", "SUBJECT", "REASON"),
            (
                (
                    str(one.ticket.id),
                    one.ticket.status.value,
                    timestamps.format_relative(one.since, now=now),
                    one.ticket.subject[:30],
                    reason,
                )
                for one, reason in stuck
            ),
        )


def _stuck_form(one: "StuckTicket", reason: str) -> dict[str, Any]:
    ticket: dict[str, Any] = msgspec.to_builtins(one.ticket)
    return ticket | {"stuck_since": one.since, "stuck_reason": reason}
