"""`work`: poll the queue and run the worker, as AWS's event source mapping and Lambda do."""

import asyncio
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from ticketctl.cli import error_reporting
from ticketctl.cli.options import BudgetOption, JsonOption, LoopOption, PoolOption
from ticketctl.cli.rendering import output
from ticketctl.cli.resources import load_settings
from ticketctl.cli.signals import stop_on_signals
from ticketctl.errors import UnsafeError

if TYPE_CHECKING:
    from rich.live import Live

    from ticketctl.queues.event_source_mapping import BatchSettled, MappingEvent
    from ticketctl.runtime import Database, OperatorResources
    from ticketctl.tickets.protocols import Delivery

FUNCTION_NAME = "ticketctl-worker"
HANDLER = "ticketctl.worker:handler"
METER = "ticketctl.worker:spent"
FLUSH_EVERY = 5.0
"""Seconds between two flushes of the outbox, if the queue is not in the database."""


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("work")(work)


def work(
    *,
    batch_size: Annotated[
        int | None, typer.Option(min=1, max=10_000, help="Messages per invocation at most.")
    ] = None,
    window: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="How long to wait for a batch to fill.")
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(min=1, max=1000, help="Execution environments at the same time.")
    ] = None,
    pool: PoolOption = None,
    loop: LoopOption = None,
    drain: Annotated[bool, typer.Option("--drain", help="Stop when the queue is empty.")] = False,
    max_receive_count: Annotated[
        int | None, typer.Option(min=1, help="Deliveries of a message before it becomes a dead letter.")
    ] = None,
    visibility_timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="How long a delivered message stays hidden.")
    ] = None,
    budget: BudgetOption = None,
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
    with open_database(settings) as found, _reporter(settings.max_receive_count, as_json=as_json) as reporter:
        try:
            spent = event_loops.run(_work(found, reporter, drain=drain, budget=budget))
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None
    _tell_what_is_spent(spent, budget)
    if drain and reporter.dead:
        raise UnsafeError(
            f"{reporter.dead} of {reporter.dead + reporter.done} messages were given up",
            hint="ticketctl dlq list shows them; ticketctl list --status failed shows their tickets",
        )


async def _work(
    found: "Database", reporter: "_Reporter", *, drain: bool, budget: float | None
) -> float | None:
    """Work until told to stop, and answer what was spent; None where nobody can know."""
    from ticketctl.ai.budget import Budget
    from ticketctl.queues.event_source_mapping import EventSourceMapping
    from ticketctl.runtime import open_operator_resources, resources
    from ticketctl.settings import to_environment
    from ticketctl.tickets.pricing import parse_prices
    from ticketctl.warmstart.runner.local_function import LocalFunction

    settings = found.settings
    # what is wrong in the worker's settings is told before it starts
    resources(settings, Budget(parse_prices(settings), budget))
    make_function = partial(
        LocalFunction,
        HANDLER,
        name=FUNCTION_NAME,
        environment=to_environment(settings),
        is_quiet=output.on_terminal(),
        meter=METER,
    )

    def on_event(event: "MappingEvent") -> None:
        reporter.spent = event_source_mapping.spent
        reporter.tell(event)
        if _is_over(event_source_mapping.spent, budget):
            event_source_mapping.stop()

    async with open_operator_resources(found) as opened:
        await opened.queue.count_backlog()  # a queue that is not there is an error now, and trouble later
        event_source_mapping = EventSourceMapping(opened.queue, make_function, settings, on_event, drain)
        if _is_over(0.0, budget):
            event_source_mapping.stop()
        await _flush(opened, reporter)
        with stop_on_signals(event_source_mapping):
            sending = asyncio.create_task(_keep_flushing(opened, reporter))
            try:
                await event_source_mapping.run()
            finally:
                sending.cancel()
    return event_source_mapping.spent


def _is_over(spent: float | None, budget: float | None) -> bool:
    """Whether no more may be spent; where nobody knows how much was, neither."""
    return budget is not None and (spent is None or spent >= budget)


def _tell_what_is_spent(spent: float | None, budget: float | None) -> None:
    from ticketctl.ai.budget import missing_usage_error

    if not _is_over(spent, budget):
        return
    if spent is None:
        raise missing_usage_error()
    output.print_message(
        f"the budget of {budget:g} is spent ({spent:.4f}): what was not begun waits in the queue"
    )


async def _keep_flushing(resources: "OperatorResources", reporter: "_Reporter") -> None:
    while True:
        await asyncio.sleep(FLUSH_EVERY)
        await _flush(resources, reporter)


async def _flush(resources: "OperatorResources", reporter: "_Reporter") -> None:
    from ticketctl.queues.event_source_mapping import QueueRetry

    unsent = await resources.try_flush()
    if unsent is not None:
        reporter.tell(QueueRetry(unsent))


class _Reporter:
    """Counts what happens and tells of it: to a program message by message, to a person in one live line."""

    def __init__(self, max_receive_count: int, *, as_json: bool, live: "Live | None") -> None:
        self.done = self.returned = self.dead = self.in_flight = 0
        self.spent: float | None = 0.0
        self._max_receive_count = max_receive_count
        self._as_json = as_json
        self._live = live
        self._began = time.monotonic()

    def tell(self, happening: "MappingEvent") -> None:
        """Hear of one happening."""
        from ticketctl.queues import event_source_mapping

        match happening:
            case event_source_mapping.EnvironmentStarted(pid=pid, again=True):
                error_reporting.warn(f"an execution environment ended; {pid} takes its place")
            case event_source_mapping.QueueRetry(error=error):
                error_reporting.warn(f"{error}; trying again")
            case event_source_mapping.BatchReceived(deliveries=deliveries):
                self.in_flight += len(deliveries)
            case event_source_mapping.BatchSettled():
                self._invoked(happening)
        if self._live is not None:
            self._live.update(self._summary())

    def _invoked(self, invoked: "BatchSettled") -> None:
        if invoked.error is not None:
            error_reporting.warn(f"the whole batch failed: {invoked.error}")
        for delivery in invoked.done:
            self.done += 1
            self._line(delivery, "done")
        for delivery in invoked.returned:
            last = delivery.receive_count >= self._max_receive_count
            self.dead += last
            self.returned += not last
            self._line(delivery, "dead" if last else "returned", invoked.error)
        self.in_flight -= len(invoked.done) + len(invoked.returned)

    def _line(self, delivery: "Delivery", outcome: str, error: str | None = None) -> None:
        if self._as_json:
            output.print_json(
                {
                    "outcome": outcome,
                    "message_id": delivery.message_id,
                    "ticket_id": _ticket_id(delivery),
                    "receive_count": delivery.receive_count,
                    "error": error,
                }
            )
        elif self._live is None:
            cells = (outcome, delivery.message_id, _ticket_id(delivery), delivery.receive_count, error)
            output.print_rows([cells])
        sys.stdout.flush()

    def _summary(self) -> str:
        rate = self.done / max(time.monotonic() - self._began, 0.001)
        return (
            f"{self.done} done, {self.returned} returned, {self.dead} given up, "
            f"{self.in_flight} in flight, {rate:.1f} per second{_told(self.spent)}"
        )


@contextmanager
def _reporter(max_receive_count: int, *, as_json: bool) -> Iterator[_Reporter]:
    if as_json or not output.on_terminal():
        yield _Reporter(max_receive_count, as_json=as_json, live=None)
        return
    from rich.live import Live

    with Live("waiting for messages", console=output.console(stderr=True), refresh_per_second=4) as live:
        yield _Reporter(max_receive_count, as_json=False, live=live)


def _told(spent: float | None) -> str:
    """What was spent, where something was and it is known."""
    return f", {spent:.4f} spent" if spent else ""


def _ticket_id(delivery: "Delivery") -> int | None:
    """The ticket that a delivery is about, None where its body is not ours."""
    from ticketctl.tickets.messages import TicketMessage, parse_event

    (message,) = parse_event({"Records": [delivery.record]})
    return message.ticket_id if isinstance(message, TicketMessage) else None
