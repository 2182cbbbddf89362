"""What telemetry costs a warm invocation: switched on, with a collector in a process of its own; and switched off."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from itertools import islice
from typing import Any

from tests.benchmarks.bench import CHILDREN, Bench, event_of
from tests.benchmarks.measure import Comparison, Measure, stopwatch
from ticketctl.settings import Settings
from ticketctl.telemetry.protocols import NO_ATTRIBUTES, OFF, Attributes, Metric, Span, SpanKind, Telemetry
from ticketctl.telemetry.selection import open_telemetry
from ticketctl.worker import Worker

SIZES = (1, 10)
"""Records of an invocation."""


@contextmanager
def telemetry(bench: Bench) -> Iterator[list[Comparison]]:
    """On against off for both sizes; then what the calls of an invocation take when it is off."""
    with _collector() as url, closing(_worker(bench, OFF)) as off:
        named = {"OTEL_EXPORTER_OTLP_ENDPOINT": url}
        with closing(_worker(bench, open_telemetry(named, "benchmark"))) as on:
            tickets = bench.tickets()
            yield [
                *(
                    Comparison(
                        what=f"warm invocation, telemetry on, records: {size}",
                        ours=_measure(on, tickets, size),
                        against="telemetry off",
                        baseline=_measure(off, tickets, size),
                        budget=1.1,
                        share=10,
                    )
                    for size in SIZES
                ),
                Comparison(
                    what="calls of telemetry that is off",
                    ours=_CallLog.of_an_invocation(bench, tickets).replay,
                    against="warm invocation, records: 10",
                    baseline=_measure(off, tickets, SIZES[-1]),
                    budget=0.01,
                    share=10,
                ),
            ]
        _require_all(url)


def _worker(bench: Bench, telemetry: Telemetry) -> Worker:
    return Worker(Settings(database_url=bench.url), telemetry=telemetry)


def _measure(worker: Worker, tickets: Iterator[int], size: int) -> Measure:
    def measure() -> float:
        event = event_of(list(islice(tickets, size)))
        with stopwatch() as elapsed:
            answer = worker.handle(event, None)
        if answer["batchItemFailures"]:
            raise RuntimeError("a record failed")
        return elapsed()

    return measure


@contextmanager
def _collector() -> Iterator[str]:
    """A collector in a process of its own; its URL."""
    command = [sys.executable, str(CHILDREN / "collector.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as child:
        try:
            yield f"http://127.0.0.1:{child.stdout.readline().strip() if child.stdout else 0}"
        finally:
            child.kill()


def _require_all(url: str) -> None:
    """Raise RuntimeError if the collector got no spans or no metrics: what sends nothing is quick."""
    with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - our own collector's URL
        counts = json.load(answer)
    if not all(counts.values()):
        raise RuntimeError(f"the collector got {counts}")


class _CallLog:
    """Stands in for telemetry that is off, and keeps what is called."""

    is_on = False
    traceparent: str | None = None

    def __init__(self) -> None:
        self._calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    @classmethod
    def of_an_invocation(cls, bench: Bench, tickets: Iterator[int]) -> "_CallLog":
        """Return the calls of an invocation with ten records."""
        made = cls()
        with closing(_worker(bench, made)) as worker:
            _measure(worker, tickets, SIZES[-1])()
        return made

    def replay(self) -> float:
        """Make the calls, and return the seconds that they took."""
        with stopwatch() as elapsed:
            for name, positional, named in self._calls:
                getattr(OFF, name)(*positional, **named)
        return elapsed()

    def start_span(self, *positional: Any, **named: Any) -> Span:
        self._calls.append(("start_span", positional, named))
        return OFF.start_span("")

    def span(
        self,
        name: str,
        kind: SpanKind = "internal",
        attributes: Attributes = NO_ATTRIBUTES,
        *,
        parent: str | None = None,
        links: Collection[str] = (),
    ) -> AbstractContextManager[Span]:
        self._calls.append(("span", (name, kind, attributes), {"parent": parent, "links": links}))
        return OFF.span("")

    def record(self, metric: Metric, value: float, attributes: Attributes = NO_ATTRIBUTES) -> None:
        self._calls.append(("record", (metric, value, attributes), {}))

    def flush(self, *positional: Any, **named: Any) -> None:
        self._calls.append(("flush", positional, named))

    def keep_flushing(self) -> AbstractContextManager[None]:
        return OFF.keep_flushing()
