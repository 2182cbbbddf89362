"""`process`: replay an SQS event through the worker, in this process, as one warm execution environment."""

import time
import warnings
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ticketctl.cli import error_reporting
from ticketctl.cli.input import read_event
from ticketctl.cli.options import BudgetOption, LoopOption, PoolOption
from ticketctl.cli.rendering import output
from ticketctl.cli.resources import load_settings
from ticketctl.errors import UnsafeError

if TYPE_CHECKING:
    from ticketctl.processing.batch import RecordResult
    from ticketctl.settings import Settings
    from ticketctl.worker import Worker

_STYLES = {"ok": "green", "failed": "bold red"}


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("process")(process)


def process(
    event_file: Annotated[str, typer.Argument(metavar="EVENT.json|-", show_default=False)],
    *,
    times: Annotated[int, typer.Option(min=1, max=10_000, help="Invocations, one after the other.")] = 1,
    pool: PoolOption = None,
    loop: LoopOption = None,
    budget: BudgetOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Replay an SQS event through the worker handler, as one warm execution environment.

    Once a budget is spent the AI provider is asked nothing more: records that need it fail, and no further
    invocation is made. What was paid for is saved, and the next try goes on from there.

    Piped, the columns are: invocation, message id, ticket id, outcome, error type, error.
    """
    from ticketctl import event_loops
    from ticketctl.runtime import database, prepare

    # what a pool leaves behind on a dead loop is reported per record; Python would print it once more at exit
    warnings.filterwarnings("ignore", message="coroutine .* was never awaited")
    event = read_event(event_file)
    settings = load_settings(pool=pool, loop=loop)
    with database(settings) as found:
        event_loops.run(prepare(found))
        invocations, spent = _replay(found.settings, event, times, budget)
    failed = sum(record["outcome"] == "failed" for i in invocations for record in i["records"])
    if as_json:
        form = {"pool": settings.pool, "loop": settings.loop, "invocations": invocations, "cost": spent}
        output.print_json(form)
    else:
        _print(invocations)
    if len(invocations) < times:
        error_reporting.warn(
            f"the budget of {budget:g} is spent: {len(invocations)} of {times} invocations were made"
        )
    if failed:
        raise UnsafeError(
            f"{failed} of {sum(len(i['records']) for i in invocations)} records failed",
            hint="ticketctl show ID tells every try; ticketctl simulate-warm-starts compares pools",
        )


def _replay(
    settings: "Settings", event: object, times: int, budget: float | None
) -> tuple[list[dict[str, Any]], float | None]:
    """The invocations that the budget allowed, and what they cost; None where nobody can know."""
    from ticketctl.event_loops import get_loop_policy
    from ticketctl.postgres.pools import get_pool
    from ticketctl.runtime import explain_unsafe_pair
    from ticketctl.worker import Worker

    warning = explain_unsafe_pair(get_pool(settings.pool), get_loop_policy(settings.loop))
    if warning is not None:
        error_reporting.warn(warning)
    worker = Worker(settings, limit=budget)
    invocations: list[dict[str, Any]] = []
    try:
        while len(invocations) < times and not worker.budget.is_exhausted:
            invocations.append(_invoke(worker, event, len(invocations) + 1))
    finally:
        worker.close()
    return invocations, worker.budget.spent


def _invoke(worker: "Worker", event: object, number: int) -> dict[str, Any]:
    from ticketctl.worker import response

    started = time.perf_counter()
    results = worker.invoke(event, None)
    took = time.perf_counter() - started
    failed = sum(result.error is not None for result in results)
    return {
        "number": number,
        "outcome": "ok" if not failed else "partial" if failed < len(results) else "error",
        "duration_ms": round(took * 1000, 3),
        "response": response(results),
        "records": [_record(result) for result in results],
    }


def _record(result: "RecordResult") -> dict[str, Any]:
    error = result.error
    return {
        "message_id": result.message.message_id,
        "ticket_id": getattr(result.message, "ticket_id", None),
        "outcome": "ok" if error is None else "failed",
        "error_type": None if error is None else type(error).__name__,
        "error": None if error is None else str(error),
    }


def _print(invocations: list[dict[str, Any]]) -> None:
    rows = [(invocation, record) for invocation in invocations for record in invocation["records"]]
    names = ("message_id", "ticket_id", "outcome", "error_type", "error")
    if not output.on_terminal():
        output.print_rows([i["number"], *(record[name] for name in names)] for i, record in rows)
        return
    from rich.text import Text

    for invocation in invocations:
        returned = len(invocation["response"]["batchItemFailures"])
        output.say(
            f"invocation {invocation['number']}: {invocation['outcome']} "
            f"in {invocation['duration_ms']:.0f} ms, {returned} returned"
        )
    output.print_table(
        ("INVOCATION", "MESSAGE", "TICKET", "OUTCOME", "ERROR"),
        (
            (
                str(invocation["number"]),
                str(record["message_id"] or ""),
                str(record["ticket_id"] or ""),
                Text(record["outcome"], _STYLES[record["outcome"]]),
                f"{record['error_type']}: {record['error']}" if record["error"] is not None else "",
            )
            for invocation, record in rows
        ),
    )
