"""`work`: poll the queue and run the worker, as AWS's event source mapping and Lambda do."""

import asyncio
import os
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ticketctl.cli import error_reporting
from ticketctl.cli.options import BudgetOption, JsonOption, LoopOption, PoolOption, choice
from ticketctl.cli.rendering import output
from ticketctl.cli.rendering.work_progress import open_work_reporter
from ticketctl.cli.resources import load_settings
from ticketctl.cli.signals import stop_on_signals
from ticketctl.errors import TicketctlError, UnsafeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ticketctl.cli.rendering.work_progress import WorkReporter
    from ticketctl.errors import DatabaseError
    from ticketctl.queues.event_source_mapping import MappingEvent
    from ticketctl.runtime import Database
    from ticketctl.settings import Settings
    from ticketctl.tickets.operator_resources import OperatorResources
    from ticketctl.warmstart.runner.local_function import LocalFunction

FUNCTION_NAME = "ticketctl-worker"
HANDLER = "ticketctl.worker:handler"
METER = "ticketctl.worker:status"
LOG_LEVEL = "AWS_LAMBDA_LOG_LEVEL"
"""The environment variable with which Lambda sets a function's log level."""
FLUSH_EVERY = 5.0
"""Seconds between two flushes of the outbox, if the queue is not in the database."""
RECORD_EVERY = 30.0
"""Seconds between two metrics of what waits, if telemetry is on."""

BatchSizeOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=10_000,
        help="Messages per invocation at most; default: 10, up to 100 while the embedded queue is long.",
    ),
]
WindowOption = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="How long to wait for a batch to fill.")
]
ConcurrencyOption = Annotated[
    int | None, typer.Option(min=1, max=1000, help="Execution environments at the same time.")
]
DrainOption = Annotated[bool, typer.Option("--drain", help="Stop when the queue is empty.")]
MaxReceiveCountOption = Annotated[
    int | None, typer.Option(min=1, help="Deliveries of a message before it becomes a dead letter.")
]
VisibilityTimeoutOption = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="How long a delivered message stays hidden.")
]
LogLevelOption = Annotated[
    str | None,
    choice(
        ("DEBUG", "INFO", "WARN", "ERROR"),
        "--log-level",
        help="The worker's log on stderr; default AWS_LAMBDA_LOG_LEVEL, else WARN.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("work")(work)


def work(
    *,
    batch_size: BatchSizeOption = None,
    window: WindowOption = None,
    concurrency: ConcurrencyOption = None,
    pool: PoolOption = None,
    loop: LoopOption = None,
    drain: DrainOption = False,
    max_receive_count: MaxReceiveCountOption = None,
    visibility_timeout: VisibilityTimeoutOption = None,
    budget: BudgetOption = None,
    log_level: LogLevelOption = None,
    as_json: JsonOption = False,
) -> None:
    """Receive messages and process their tickets.

    The worker runs in execution environments that stay warm, as on Lambda. The first Ctrl-C lets messages in flight
    finish, a second one stops at once. With --drain, the exit status is 8 if messages became dead letters.

    Once the budget is spent, no more messages are received. Messages in flight are finished, which may cost more
    than the budget.

    Piped, the columns are: outcome, message id, ticket id, delivery, error. With --json, each message is a line.
    """
    from ticketctl import event_loops
    from ticketctl.runtime import open_database

    settings = load_settings(
        batch_size=batch_size,
        window=window,
        concurrency=concurrency,
        pool=pool,
        loop=loop,
        max_receive_count=max_receive_count,
        visibility_timeout=visibility_timeout,
    )
    with (
        open_database(settings) as opened,
        open_work_reporter(as_json=as_json) as reporter,
    ):
        try:
            spent = event_loops.run(_work(opened, reporter, drain=drain, budget=budget, log_level=log_level))
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None
    _report_budget(spent, budget)
    if drain and reporter.dead:
        raise UnsafeError(
            f"{reporter.dead} of {reporter.dead + reporter.done} messages became dead letters",
            hint="ticketctl dlq list shows them; ticketctl list --status failed shows their tickets",
        )


async def _work(
    database: "Database",
    reporter: "WorkReporter",
    *,
    drain: bool,
    budget: float | None,
    log_level: str | None,
) -> float | None:
    """Poll the queue until stopped, and return what the AI provider cost, or None if a price is unknown."""
    from ticketctl.ai.budget import Budget
    from ticketctl.ai.providers.factory import ProviderFactory, load_taxonomy
    from ticketctl.cli.provider_pause import ProviderPause
    from ticketctl.postgres.embedded import keep_running
    from ticketctl.queues.event_source_mapping import EventSourceMapping
    from ticketctl.runtime import embedded_server, open_operator_resources, resources
    from ticketctl.tickets.pricing import parse_prices

    settings = database.settings
    # raises for wrong settings of the worker before it starts
    resources(settings, Budget(parse_prices(settings), budget))

    async def check_account() -> str | None:
        return await ProviderFactory(settings, load_taxonomy(settings)).check_account()

    def on_event(event: "MappingEvent") -> None:
        reporter.spent = _sum_spent(event_source_mapping.readings)
        reporter.report(event)
        provider_pause.observe(event_source_mapping.readings)
        if _is_exhausted(reporter.spent, budget):
            event_source_mapping.stop()

    async with open_operator_resources(database) as opened:
        await opened.queue.count_backlog()  # a missing queue is an error now; later it is only retried
        event_source_mapping = EventSourceMapping(
            opened.queue,
            _function_factory(settings, log_level),
            settings,
            on_event,
            drain=drain,
            store=opened.store,
        )
        provider_pause = ProviderPause(event_source_mapping, check_account, error_reporting.warn)
        if _is_exhausted(0.0, budget):
            event_source_mapping.stop()
        await _flush(opened, reporter)
        with stop_on_signals(event_source_mapping):
            background = [asyncio.create_task(_keep_flushing(opened, reporter))]
            if opened.telemetry.is_on:
                background.append(asyncio.create_task(_keep_recording(opened)))
            if database.embedded:
                server = embedded_server(settings)
                background.append(asyncio.create_task(keep_running(server, _report_restart)))
            try:
                await event_source_mapping.run()
            finally:
                for task in background:
                    task.cancel()
                await provider_pause.close()
    return _sum_spent(event_source_mapping.readings)


def _function_factory(settings: "Settings", log_level: str | None) -> "Callable[[], LocalFunction]":
    """Return a function that starts the worker in a new execution environment."""
    from ticketctl.settings import to_environment
    from ticketctl.warmstart.runner.local_function import LocalFunction

    return partial(
        LocalFunction,
        HANDLER,
        name=FUNCTION_NAME,
        environment=to_environment(settings) | {LOG_LEVEL: log_level or os.environ.get(LOG_LEVEL, "WARN")},
        is_quiet=output.is_terminal(),
        meter=METER,
    )


def _sum_spent(statuses: "Sequence[dict[str, Any]]") -> float | None:
    """Return the cost of all processes, None if one of them does not know its own."""
    costs = [status["spent"] for status in statuses]
    return None if None in costs else sum(costs)


def _report_restart(error: "DatabaseError | None") -> None:
    if error is None:
        error_reporting.warn("the embedded Postgres ended and was started again")
    else:
        error_reporting.warn(f"{error}; trying again")


def _is_exhausted(spent: float | None, budget: float | None) -> bool:
    """Return whether the budget is spent, or cannot be checked because a price is unknown."""
    return budget is not None and (spent is None or spent >= budget)


def _report_budget(spent: float | None, budget: float | None) -> None:
    from ticketctl.ai.budget import missing_usage_error

    if not _is_exhausted(spent, budget):
        return
    if spent is None:
        raise missing_usage_error()
    output.print_message(
        f"the budget of {budget:g} is spent ({spent:.4f}); the other messages stay in the queue"
    )


async def _keep_flushing(resources: "OperatorResources", reporter: "WorkReporter") -> None:
    while True:
        await asyncio.sleep(FLUSH_EVERY)
        await _flush(resources, reporter)


async def _keep_recording(resources: "OperatorResources") -> None:
    """Record again and again how many messages and tickets wait; a database that is away is tried later."""
    while True:
        with suppress(TicketctlError):
            await resources.record_waiting()
        await asyncio.sleep(RECORD_EVERY)


async def _flush(resources: "OperatorResources", reporter: "WorkReporter") -> None:
    from ticketctl.queues.event_source_mapping import QueueRetry

    unsent = await resources.try_flush()
    if unsent is not None:
        reporter.report(QueueRetry(unsent))
