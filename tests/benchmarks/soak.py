"""Five thousand warm invocations in one environment: what must stay as it was after the first five hundred."""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import quantiles

from tests.benchmarks.bench import Bench, query
from tests.benchmarks.measure import Comparison, stopwatch
from tests.benchmarks.same_sql import invoke
from ticketctl.settings import Settings
from ticketctl.worker import Worker

INVOCATIONS, PART = 5_000, 500
_BACKENDS = "select count(*) from pg_stat_activity where datname = current_database()"


@dataclass(frozen=True, slots=True)
class _Readings:
    """What this process held after a part of the run; the connections include the one that counts them."""

    p99: float
    megabytes: float
    descriptors: int
    connections: int


@contextmanager
def null(bench: Bench) -> Iterator[list[Comparison]]:
    """The worker's defaults."""
    yield _soak(bench, "null", "run-per-invocation")


@contextmanager
def runner(bench: Bench) -> Iterator[list[Comparison]]:
    """A persistent loop and a pool that tries its connections."""
    yield _soak(bench, "queue-pre-ping", "runner")


def _soak(bench: Bench, pool: str, policy: str) -> list[Comparison]:
    """Run it once; the comparisons repeat what was measured."""
    tickets = list(islice(bench.tickets(), INVOCATIONS))
    worker = Worker(Settings(database_url=bench.url, pool=pool, loop=policy))
    with closing(worker):
        parts = [
            _run_part(bench, worker, tickets[start : start + PART]) for start in range(0, INVOCATIONS, PART)
        ]
    first, last = parts[0], parts[-1]

    def compared(what: str, name: str, unit: str, budget: float) -> Comparison:
        return Comparison(
            what=f"{what}, {pool}, {policy}",
            ours=lambda: getattr(last, name),
            against=f"the first {PART} of {INVOCATIONS:,} invocations",
            baseline=lambda: getattr(first, name),
            budget=budget,
            share=0,
            unit=unit,
        )

    return [
        compared("p99 of the last 500", "p99", "s", 1.5),
        compared("memory", "megabytes", "MB", 1.05),
        compared("descriptors", "descriptors", "open", 1.0),
        compared("connections", "connections", "open", 1.0),
    ]


def _run_part(bench: Bench, worker: Worker, tickets: list[int]) -> _Readings:
    seconds = []
    for ticket_id in tickets:
        with stopwatch() as elapsed:
            invoke(worker, ticket_id)
        seconds.append(elapsed())
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return _Readings(
        p99=quantiles(seconds, n=100)[-1],
        megabytes=round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1),
        descriptors=sum(1 for _ in Path("/dev/fd").iterdir()),
        connections=query(bench.url, _BACKENDS)[0][0],
    )
