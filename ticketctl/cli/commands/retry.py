"""`retry` and `stats`: what all tickets together need, and how they fare."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from ticketctl.cli import error_reporting
from ticketctl.cli.operator_resources import with_operator_resources
from ticketctl.cli.rendering import output, timestamps
from ticketctl.cli.resources import load_settings
from ticketctl.errors import InvalidInputError
from ticketctl.tickets.durations import parse_since

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ticketctl.runtime import OperatorResources
    from ticketctl.tickets.protocols import Statistics, StuckTicket

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
OlderThan = Annotated[str, typer.Option(metavar="AGE", help="With --stuck: for how long at least.")]
STUCK_AFTER = "15m"
_LIMIT = 1000


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("retry")(retry)
    app.command("stats")(stats)


def age(text: str) -> timedelta:
    """The length of time that `--older-than` means: "90s", "15m", "2h".

    Raises:
        InvalidInputError: It is none.
    """
    now = datetime.now(UTC)
    try:
        return max(timedelta(0), now - parse_since(text, now=now))
    except InvalidInputError:
        raise InvalidInputError(
            f"--older-than cannot be {text!r}", hint="it looks like 90s, 15m, 2h"
        ) from None


def retry(
    ticket_ids: Annotated[
        list[int] | None, typer.Argument(metavar="[ID]...", help="These tickets.", show_default=False)
    ] = None,
    *,
    failed: Annotated[bool, typer.Option("--failed", help="All that failed.")] = False,
    stuck: Annotated[bool, typer.Option("--stuck", help="All that are stuck.")] = False,
    older_than: OlderThan = STUCK_AFTER,
    as_json: AsJson = False,
) -> None:
    """Give tickets another try; a step that is saved is not asked for again."""
    from ticketctl.tickets import operations

    if bool(ticket_ids) == (failed or stuck):
        raise InvalidInputError("name tickets, or --failed or --stuck", hint="ticketctl retry --failed")
    patience = age(older_than) if stuck else None

    async def work(resources: "OperatorResources") -> "Sequence[int]":
        wanted = ticket_ids or await operations.select_retries(
            resources.operations, failed=failed, stuck=patience
        )
        retried = await operations.retry(resources.operations, wanted)
        unsent = await resources.try_flush()
        if unsent is not None:
            error_reporting.warn(f"their messages wait in the outbox: {unsent}")
        return retried

    retried = with_operator_resources(work)
    if as_json:
        output.print_json({"retried": retried})
    else:
        output.print_rows([ticket_id] for ticket_id in retried)
    if ticket_ids and len(retried) < len(set(ticket_ids)):
        left = sorted(set(ticket_ids) - set(retried))
        error_reporting.warn(
            f"not tried again: {', '.join(map(str, left))} (settled, being worked on, or not there)"
        )


def show_stuck(older_than: str, limit: int, *, as_json: bool) -> None:
    """Print the tickets that wait for too long, with reason and age.

    Piped, the columns are: id, status, since, reason, subject.
    """
    patience = age(older_than)

    async def work(resources: "OperatorResources") -> "list[tuple[StuckTicket, str]]":
        from ticketctl.tickets import operations

        now, elsewhere = datetime.now(UTC), resources.sender is not None
        found = await resources.operations.list_stuck(patience, limit=limit)
        return [(one, operations.explain_stuck(one, now=now, elsewhere=elsewhere)) for one in found]

    found = with_operator_resources(work)
    if as_json:
        forms = [_stuck_form(one, reason) for one, reason in found]
        output.print_json({"tickets": forms, "total": len(forms), "next_cursor": None})
    elif not output.on_terminal():
        output.print_rows(
            [one.ticket.id, one.ticket.status, timestamps.iso(one.since), reason, one.ticket.subject]
            for one, reason in found
        )
    elif not found:
        output.say("nothing is stuck")
    else:
        now = datetime.now(UTC)
        output.print_table(
            ("ID", "STATUS", "SINCE", "SUBJECT", "REASON"),
            (
                (
                    str(one.ticket.id),
                    one.ticket.status.value,
                    timestamps.relative(one.since, now=now),
                    one.ticket.subject[:30],
                    reason,
                )
                for one, reason in found
            ),
        )


def stats(*, as_json: AsJson = False) -> None:
    """Count tickets by status, and tell what each step cost.

    Piped, the lines are: tickets, status, number; oldest_new, time; queue, messages, dead letters; step, name,
    provider, runs, mean ms, 95th percentile ms, input tokens, output tokens, cost; cost, in all. It is what the
    saved outputs cost, at TICKETCTL_AI_PRICES.
    """

    async def work(resources: "OperatorResources") -> "tuple[Statistics, int, int]":
        queue = resources.queue
        return (
            await resources.operations.get_statistics(),
            await queue.count_backlog(),
            len(await queue.list_dead_letters(_LIMIT)),
        )

    statistics, backlog, dead = with_operator_resources(work)
    form = _with_costs(msgspec.to_builtins(statistics))
    if as_json:
        output.print_json(form | {"queue": {"messages": backlog, "dead_letters": dead}})
        return
    output.print_rows(("tickets", status.value, number) for status, number in statistics.tickets.items())
    output.print_rows([("oldest_new", timestamps.iso(statistics.oldest_new)), ("queue", backlog, dead)])
    output.print_rows(
        (
            "step",
            step["step"],
            step["provider"],
            step["runs"],
            f"{step['mean_ms']:.1f}",
            f"{step['p95_ms']:.1f}",
            step["input_tokens"],
            step["output_tokens"],
            output.amount(step["cost"]),
        )
        for step in form["steps"]
    )
    output.print_rows([("cost", output.amount(form["cost"]))])


def _with_costs(form: dict[str, Any]) -> dict[str, Any]:
    """The JSON form with what each model, each step and all steps cost; None where nobody can know."""
    from ticketctl.tickets.pricing import compute_cost, parse_prices, sum_costs

    prices = parse_prices(load_settings())
    for step in form["steps"]:
        for used in step["models"]:
            used["cost"] = compute_cost(prices, used["model"], used["input_tokens"], used["output_tokens"])
        step["cost"] = sum_costs(used["cost"] for used in step["models"])
    return form | {"cost": sum_costs(step["cost"] for step in form["steps"])}


def _stuck_form(one: "StuckTicket", reason: str) -> dict[str, Any]:
    ticket: dict[str, Any] = msgspec.to_builtins(one.ticket)
    return ticket | {"stuck_since": one.since, "stuck_reason": reason}
