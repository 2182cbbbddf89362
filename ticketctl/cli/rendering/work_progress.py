"""Report what `work` does: a line per message and summaries in a pipe, one live line on a terminal."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ticketctl.cli import error_reporting
from ticketctl.cli.rendering import output

if TYPE_CHECKING:
    from rich.live import Live

    from ticketctl.queues.event_source_mapping import BatchSettled, MappingEvent
    from ticketctl.tickets.queue_protocols import Delivery


SUMMARY_INTERVAL = 10.0
"""Seconds between two summaries on stderr where stdout is a pipe."""


class WorkReporter:
    """Counts messages and prints each of them, or updates the live line if there is one.

    `spent` is what the AI provider cost so far, None if a price is unknown.
    """

    def __init__(self, *, as_json: bool, live: "Live | None") -> None:
        self.done = self.returned = self.dead = self.in_flight = 0
        self.spent: float | None = 0.0
        self._as_json = as_json
        self._live = live
        self._started_at = self._summarised_at = time.monotonic()

    def report(self, event: "MappingEvent") -> None:
        """Count an event of the event source mapping, and print it."""
        from ticketctl.queues import event_source_mapping

        match event:
            case event_source_mapping.EnvironmentStarted(pid=pid, again=True):
                error_reporting.warn(f"an execution environment ended; process {pid} replaces it")
            case event_source_mapping.QueueRetry(error=error):
                error_reporting.warn(f"{error}; trying again")
            case event_source_mapping.BatchReceived(deliveries=deliveries):
                self.in_flight += len(deliveries)
            case event_source_mapping.BatchSettled():
                self._report_batch(event)
        if self._live is not None:
            self._live.update(self._summary())
        elif time.monotonic() - self._summarised_at >= SUMMARY_INTERVAL:
            self.summarise()

    def summarise(self) -> None:
        """Print a summary on stderr."""
        self._summarised_at = time.monotonic()
        output.print_message(self._summary())

    def _report_batch(self, batch: "BatchSettled") -> None:
        if batch.error is not None:
            error_reporting.warn(f"the whole batch failed: {batch.error}")
        for delivery in batch.done:
            self.done += 1
            self._print(delivery, "done")
        for delivery in batch.returned:
            is_dead = delivery.message_id in batch.given_up
            self.dead += is_dead
            self.returned += not is_dead
            self._print(delivery, "dead" if is_dead else "returned", batch.error)
        self.in_flight -= len(batch.done) + len(batch.returned)
        sys.stdout.flush()

    def _print(self, delivery: "Delivery", outcome: str, error: str | None = None) -> None:
        if self._as_json:
            output.print_json(
                {
                    "outcome": outcome,
                    "message_id": delivery.message_id,
                    "ticket_id": _read_ticket_id(delivery),
                    "receive_count": delivery.receive_count,
                    "error": error,
                }
            )
        elif self._live is None:
            cells = (outcome, delivery.message_id, _read_ticket_id(delivery), delivery.receive_count, error)
            output.print_rows([cells])

    def _summary(self) -> str:
        rate = self.done / max(time.monotonic() - self._started_at, 0.001)
        cost = f", {self.spent:.4f} spent" if self.spent else ""
        return (
            f"{self.done} done, {self.returned} returned, {self.dead} dead letters, {self.in_flight} in flight, "
            f"{rate:.1f} per second{cost}"
        )


@contextmanager
def open_work_reporter(*, as_json: bool) -> Iterator[WorkReporter]:
    """Yield a reporter, with a live line on stderr if stdout is a terminal."""
    if as_json or not output.is_terminal():
        reporter = WorkReporter(as_json=as_json, live=None)
        yield reporter
        if reporter.done or reporter.returned or reporter.dead:
            reporter.summarise()
        return
    from rich.live import Live

    with Live("waiting for messages", console=output.make_console(stderr=True), refresh_per_second=4) as live:
        yield WorkReporter(as_json=False, live=live)


def _read_ticket_id(delivery: "Delivery") -> int | None:
    """Return the ticket of a delivery, or None if its body is not a ticket message."""
    from ticketctl.tickets.messages import TicketMessage

    return delivery.message.ticket_id if isinstance(delivery.message, TicketMessage) else None
