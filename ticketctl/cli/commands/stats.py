"""`stats`: count tickets, and show what each step took and cost."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from ticketctl.cli.corrections import SinceOption, read_corrections
from ticketctl.cli.options import JqOption, JsonOption
from ticketctl.cli.rendering import output, timestamps
from ticketctl.cli.rendering.export import check_file, write_file
from ticketctl.cli.resources import load_settings, run_with
from ticketctl.cli.watching import WatchOption, watch
from ticketctl.errors import InvalidInputError

if TYPE_CHECKING:
    from ticketctl.tickets.operator_resources import OperatorResources
    from ticketctl.tickets.statistics import Statistics

_LETTERS = 1000
"""Dead letters that are counted at most."""
_WEEKS = 13
"""Weeks that the page shows: a quarter of a year."""
_STEP_COLUMNS = ("STEP", "PROVIDER", "RUNS", "MEAN MS", "P95 MS", "INPUT TOKENS", "OUTPUT TOKENS", "COST")


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("stats")(stats)


def stats(
    *,
    accuracy: Annotated[
        bool, typer.Option("--accuracy", help="Show how often people agreed with the engine instead.")
    ] = False,
    since: SinceOption = None,
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", callback=check_file, help="Also write a page with charts, for a browser."
        ),
    ] = None,
    watched: WatchOption = False,
    as_json: JsonOption = False,
    program: JqOption = None,
) -> None:
    """Count tickets, and show what each step took and cost.

    Costs are those of the saved outputs, at the prices of TICKETCTL_AI_PRICES.

    Piped, the lines are: tickets, status, number; oldest_new, time; queue, messages, dead letters; step, name,
    provider, runs, mean ms, 95th percentile ms, input tokens, output tokens, cost; cost, total. With --accuracy: field,
    value, decisions, share in which a person agreed; calibration_error, figure.
    """
    if accuracy:
        if watched or program is not None or html is not None:
            raise InvalidInputError(
                "--accuracy cannot be combined with --watch, --jq or --html",
                hint="ticketctl stats --accuracy --json",
            )
        _print_accuracy(since, as_json=as_json)
        return
    if since is not None:
        raise InvalidInputError("--since needs --accuracy", hint="the other figures are of all tickets")
    if watched and html is not None:
        raise InvalidInputError("--html cannot be combined with --watch", hint="ticketctl stats --html FILE")
    if html is None:
        watch(lambda: _print_statistics(program, as_json=as_json), is_watched=watched)
    else:
        _write_page(html, _print_statistics(program, as_json=as_json))


def _print_statistics(program: str | None, *, as_json: bool) -> dict[str, Any]:
    """Print the statistics, and return their JSON form."""
    from ticketctl.runtime import open_operator_resources

    async def work(resources: "OperatorResources") -> "tuple[Statistics, int, int]":
        queue = resources.queue
        return (
            await resources.operations.get_statistics(),
            await queue.count_backlog(),
            len(await queue.list_dead_letters(_LETTERS)),
        )

    statistics, backlog, dead = run_with(open_operator_resources, work)
    form = _with_costs(msgspec.to_builtins(statistics))
    if as_json or program is not None:
        output.print_json(form | {"queue": {"messages": backlog, "dead_letters": dead}}, program)
    elif output.is_terminal():
        _print_tables(statistics, form, backlog, dead)
    else:
        output.print_rows(("tickets", status.value, number) for status, number in statistics.tickets.items())
        output.print_rows(
            [("oldest_new", timestamps.format_iso(statistics.oldest_new)), ("queue", backlog, dead)]
        )
        output.print_rows(("step", *row) for row in _list_steps(form))
        output.print_rows([("cost", output.format_amount(form["cost"]))])
    return form


def _write_page(path: Path, form: dict[str, Any]) -> None:
    """Write the statistics, the workload of the latest weeks, and people's agreement with the engine as a page."""
    from ticketctl.cli.rendering.statistics_page import PageFigures, render_page
    from ticketctl.runtime import open_operator_resources
    from ticketctl.tickets.corrections import measure_agreement

    async def work(resources: "OperatorResources") -> PageFigures:
        return PageFigures(
            made_at=datetime.now(UTC),
            statistics=form,
            workload=await resources.operations.get_workload(_WEEKS),
            agreements=measure_agreement(await resources.decisions.list_corrections(None)),
        )

    write_file(path, render_page(run_with(open_operator_resources, work)))


def _print_accuracy(since: str | None, *, as_json: bool) -> None:
    """Print how often people agreed with the engine, and how well its confidence told that."""
    from ticketctl.ai.evaluation.metrics import Prediction, calibration_error
    from ticketctl.tickets.corrections import measure_agreement

    corrections = read_corrections(since)
    agreements = measure_agreement(corrections)
    error = calibration_error(
        [
            Prediction(text="", expected=one.category, predicted=one.predicted, confidence=one.confidence)
            for one in corrections
        ]
    )
    if as_json:
        rows = [msgspec.to_builtins(one) | {"share": one.share} for one in agreements]
        output.print_json({"agreement": rows, "calibration_error": error})
    elif output.is_terminal():
        output.print_table(
            ("FIELD", "VALUE", "DECISIONS", "AGREED"),
            [(one.field, one.value, str(one.decisions), f"{one.share:.1%}") for one in agreements],
        )
        typer.echo(f"\ncalibration error: {error:.3f}")
    else:
        output.print_rows((one.field, one.value, one.decisions, round(one.share, 4)) for one in agreements)
        output.print_rows([("calibration_error", round(error, 4))])


def _list_steps(form: dict[str, Any]) -> list[list[str]]:
    return [
        [
            step["step"],
            step["provider"],
            str(step["runs"]),
            f"{step['mean_ms']:.1f}",
            f"{step['p95_ms']:.1f}",
            str(step["input_tokens"]),
            str(step["output_tokens"]),
            output.format_amount(step["cost"]),
        ]
        for step in form["steps"]
    ]


def _print_tables(statistics: "Statistics", form: dict[str, Any], backlog: int, dead: int) -> None:
    output.print_table(
        ("STATUS", "TICKETS"), [(status.value, str(number)) for status, number in statistics.tickets.items()]
    )
    oldest = timestamps.format_relative(statistics.oldest_new, now=datetime.now(UTC))
    typer.echo(f"\noldest new ticket: {oldest or 'none'}\nin the queue: {backlog}\ndead letters: {dead}")
    if form["steps"]:
        typer.echo()
        output.print_table(_STEP_COLUMNS, _list_steps(form))
        typer.echo(f"\ncost of all steps: {output.format_amount(form['cost'])}")


def _with_costs(form: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON form with the cost of each model, each step and all steps; None if a price is unknown."""
    from ticketctl.tickets.pricing import compute_cost, parse_prices, sum_costs

    prices = parse_prices(load_settings())
    for step in form["steps"]:
        for used in step["models"]:
            used["cost"] = compute_cost(prices, used["model"], used["input_tokens"], used["output_tokens"])
        step["cost"] = sum_costs(used["cost"] for used in step["models"])
    return form | {"cost": sum_costs(step["cost"] for step in form["steps"])}
