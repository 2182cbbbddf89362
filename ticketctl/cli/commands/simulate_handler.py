"""`simulate-warm-starts --handler`: test a Lambda handler of the user. No database is needed."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ticketctl.cli import error_reporting
from ticketctl.cli.input import read_text
from ticketctl.cli.rendering import output
from ticketctl.cli.rendering.export import Pictures
from ticketctl.cli.rendering.matrix import summarize
from ticketctl.cli.rendering.verdicts import (
    MEANINGS,
    OUTCOME_STYLES,
    STYLES,
    choose_glyphs,
    is_utf8,
    print_finding,
)
from ticketctl.errors import InvalidInputError, UnsafeError

if TYPE_CHECKING:
    from rich.text import Text

    from ticketctl.warmstart.report.model import Invocation, Report
    from ticketctl.warmstart.runner.experiment import Freeze, Runtime


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerRequest:
    """What to test. `event_files` may hold "-" for stdin; a call has no events; `timeout` is in seconds."""

    handler: str
    event_files: Sequence[str]
    times: int
    path: Path
    environment: Mapping[str, str]
    python: str | None
    timeout: float
    freeze: "Freeze | None"
    freeze_seconds: float | None
    runtime: "Runtime"
    snapstart: bool
    is_call: bool
    concurrency: int

    @property
    def option(self) -> str:
        """The option that named the handler."""
        return "--call" if self.is_call else "--handler"


def simulate(request: HandlerRequest, pictures: Pictures, *, as_json: bool) -> None:
    """Test the handler and print the report.

    Raises:
        InvalidInputError: There is no such module or function, or a file cannot be read or written.
        UnsafeError: The verdict is not safe.
    """
    from ticketctl import event_loops

    _check(request)
    events = [_read(file) for file in request.event_files] or [None]
    with output.show_progress(1):
        report = event_loops.run(_examine(request, events))
    _refuse_misspelt(request, report)
    pictures.draw_handler(report)
    if as_json:
        output.print_json({"cells": [_as_json(report)], "configured": None})
    elif output.is_terminal():
        _show(report)
    else:
        output.print_rows([[report.handler, *summarize(report)]])
    if report.verdict != "safe":
        raise _unsafe(report, shown=output.is_terminal() and not as_json)
    if not output.is_terminal():
        for finding in report.findings:
            error_reporting.warn(f"{finding.kind}: {finding.cause}")


def _check(request: HandlerRequest) -> None:
    if request.runtime != "direct":
        if request.snapstart:
            raise typer.BadParameter("needs --runtime direct", param_hint="--snapstart")
        if request.is_call:
            raise typer.BadParameter("needs --runtime direct: it is not on Lambda", param_hint="--call")
    if request.is_call and request.event_files:
        raise typer.BadParameter(
            "is for --handler; a function that is called gets no event", param_hint="--event"
        )
    if not request.is_call and not request.event_files:
        raise typer.BadParameter("a handler needs at least one event: --event FILE", param_hint="--event")


def _unsafe(report: "Report", *, shown: bool) -> UnsafeError:
    """Return the error with the verdict; if the findings are not `shown`, with the first of them."""
    verdict = f"{report.handler} is {report.verdict}"
    if shown:
        return UnsafeError(verdict, hint="the findings above say why, and how to fix it")
    first = report.findings[0]
    return UnsafeError(f"{verdict}: {first.cause}", hint=first.fix)


async def _examine(request: HandlerRequest, events: Sequence[object]) -> "Report":
    from ticketctl.warmstart.runner.experiment import Experiment
    from ticketctl.warmstart.runner.lab import Laboratory
    from ticketctl.warmstart.runner.process import LaboratoryError

    experiment = Experiment(
        handler=request.handler,
        events=events,
        times=request.times,
        environment=request.environment,
        path=request.path,
        python=request.python,
        timeout=request.timeout,
        freeze=request.freeze,
        freeze_seconds=request.freeze_seconds,
        is_call=request.is_call,
        concurrency=request.concurrency,
        runtime=request.runtime,
        snapstart=request.snapstart,
    )
    try:
        async with Laboratory() as laboratory:
            return await laboratory.examine(experiment)
    except LaboratoryError as error:
        raise InvalidInputError(
            str(error), hint="--python must name Python 3.11 or newer, with the packages that --runtime needs"
        ) from None


def _read(path: str) -> Any:
    try:
        return json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(
            f"{path} is not JSON: {error}", hint="an event is the JSON that Lambda passes to the handler"
        ) from None


def _refuse_misspelt(request: HandlerRequest, report: "Report") -> None:
    """Raise InvalidInputError if the handler's name is wrong, not if its module exists and fails."""
    if not any(finding.kind == "import" for finding in report.findings):
        return
    error = report.invocations[0].error or ""
    module, function = _split(request.handler)
    names = module.split(".")
    missing = [f"No module named {'.'.join(names[:end])!r}" for end in range(1, len(names) + 1)]
    misspelt = [
        *missing,
        f"module {module!r} has no attribute {function!r}",
        f"{request.handler} is not callable",
    ]
    if any(error.startswith(text) for text in misspelt):
        raise InvalidInputError(
            f"there is no {'function' if request.is_call else 'handler'} {request.handler}: {error}",
            hint=f"{request.option} is module:function; the module is looked up in --path ({request.path})",
        )


def check_handler(name: str | None) -> str | None:
    """Return the name. Raise BadParameter if it cannot name a handler."""
    if name is not None and not all(_split(name)):
        raise typer.BadParameter(f"{name!r} is neither module:function nor module.function")
    return name


def _split(handler: str) -> tuple[str, str]:
    """Split `module:function` or `folder/module.function`; a missing part is empty."""
    module, colon, function = handler.partition(":")
    if not colon:
        module, _, function = handler.rpartition(".")
    return module.replace("/", "."), function


def _as_json(report: "Report") -> dict[str, Any]:
    return {"pool": None, "loop": None, **report.to_json()}


def _show(report: "Report") -> None:
    """Print the report for a person."""
    from rich.text import Text

    rows = [_row(str(invocation.number), invocation) for invocation in report.invocations]
    if report.thaw is not None:
        rows.append(_row("thawed", report.thaw))
    output.print_table(("INVOCATION", "OUTCOME", "TOOK", "ERROR"), rows)
    style = STYLES[report.verdict]
    verdict = Text.assemble("\n", (report.verdict, style), f": {MEANINGS[report.verdict]}")
    output.make_console().print(verdict)
    for line in [*_describe_cost(report), *_draw_series(report)]:
        output.make_console().print(line, style="dim", highlight=False)
    fixes: dict[str, str] = {}
    for finding in report.findings:
        fix = f"as for {fixes[finding.fix]}, above" if finding.fix in fixes else finding.fix
        fixes.setdefault(finding.fix, finding.kind)
        print_finding(finding.kind, {"cause": finding.cause, "fix": fix})


def _describe_cost(report: "Report") -> list[str]:
    """Return what the median warm invocation opens and transfers; nothing if that is nothing."""
    from statistics import median

    costs = [one.cost for one in report.invocations[1:] if one.cost is not None]
    if not costs:
        return []
    connections = median(one["connections"] for one in costs)
    threads = median(one["threads"] for one in costs)
    sent, received = (median(one[key] for one in costs) for key in ("bytes_sent", "bytes_received"))
    if not any((connections, threads, sent, received)):
        return []
    return [
        (
            f"a warm invocation opens {connections:g} connections, sends {sent:g} and receives {received:g} bytes, and starts "
            f"{threads:g} threads (medians)"
        )
    ]


def _draw_series(report: "Report") -> list[str]:
    """Return a small chart for each count that changes from invocation to invocation."""
    from ticketctl.warmstart.report.charts import describe_range, render_sparkline, select_series

    ascii_only = not is_utf8()
    return [
        f"{name:16} {render_sparkline(series, ascii_only=ascii_only)} {describe_range(name, series)}"
        for name, series in select_series(report.series).items()
    ]


def _row(name: str, invocation: "Invocation") -> list["str | Text"]:
    from rich.text import Text

    outcome = Text(
        f"{choose_glyphs()[invocation.outcome]} {invocation.outcome}", OUTCOME_STYLES[invocation.outcome]
    )
    error = "" if invocation.error_type is None else f"{invocation.error_type}: {invocation.error}"
    return [name, outcome, f"{invocation.duration_ms:.0f} ms", error]
