"""`process`: run the worker on an SQS event, in this process, as one warm execution environment."""

import time
import warnings
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ticketctl.cli import error_reporting
from ticketctl.cli.input import read_event
from ticketctl.cli.options import BudgetOption, JsonOption, LoopOption, PoolOption
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
    event_file: Annotated[
        str, typer.Argument(metavar="EVENT.json|-", help="An SQS event; - is stdin.", show_default=False)
    ],
    *,
    times: Annotated[
        int, typer.Option(min=1, max=10_000, help="How many invocations, one after the other.")
    ] = 1,
    pool: PoolOption = None,
    loop: LoopOption = None,
    budget: BudgetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run the worker on an SQS event, as Lambda does.

    All invocations run in one warm execution environment: this process. Once the budget is spent, the AI provider
    gets no more requests: records that need it fail, and no further invocation starts. Saved steps are used again
    by the next attempt.

    Piped, the columns are: invocation, message id, ticket id, outcome, error type, error.
    """
    from ticketctl import event_loops
    from ticketctl.runtime import open_database, prepare_tables

    # connections that a pool leaves on a closed loop are reported per record; Python would print them again at exit
    warnings.filterwarnings("ignore", message="coroutine .* was never awaited")
    event = read_event(event_file)
    settings = load_settings(pool=pool, loop=loop)
    with open_database(settings) as opened:
        event_loops.run(prepare_tables(opened))
        invocations, spent = _replay(opened.settings, event, times, budget)
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
            hint="ticketctl show ID lists every attempt; ticketctl simulate-warm-starts compares pools",
        )


def _replay(
    settings: "Settings", event: object, times: int, budget: float | None
) -> tuple[list[dict[str, Any]], float | None]:
    """Return the invocations that the budget allowed, and their cost, or None if a price is unknown."""
    from ticketctl.event_loops import get_loop_policy
    from ticketctl.postgres.pools import explain_unsafe_pair, get_pool
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
    duration = time.perf_counter() - started
    failed = sum(result.error is not None for result in results)
    return {
        "number": number,
        "outcome": "ok" if not failed else "partial" if failed < len(results) else "error",
        "duration_ms": round(duration * 1000, 3),
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
    if not output.is_terminal():
        output.print_rows([i["number"], *(record[name] for name in names)] for i, record in rows)
        return
    from rich.text import Text

    for invocation in invocations:
        returned = len(invocation["response"]["batchItemFailures"])
        output.print_message(
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
