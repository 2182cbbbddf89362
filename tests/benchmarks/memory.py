"""What a warm environment holds in memory, against what importing its libraries alone takes."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice

from tests.benchmarks.bench import CHILDREN, Bench, event_of
from tests.benchmarks.measure import Comparison, run_program

INVOCATIONS = 20
RECORDS = 10


@contextmanager
def memory(bench: Bench) -> Iterator[list[Comparison]]:
    """Resident memory after some invocations, offline, with the worker's defaults."""
    tickets = bench.tickets()

    def ours() -> float:
        events = [event_of(list(islice(tickets, RECORDS))) for _ in range(INVOCATIONS)]
        environment = bench.environment_with_url | {"AWS_LAMBDA_FUNCTION_NAME": "ticketctl"}
        return _megabytes("worker", environment, json.dumps(events).encode())

    yield [
        Comparison(
            what=f"resident memory after {INVOCATIONS} invocations",
            ours=ours,
            against="SQLAlchemy + asyncpg, imported",
            baseline=lambda: _megabytes("imports", bench.environment),
            budget=None,
            share=0.5,
            unit="MB",
        )
    ]


def _megabytes(what: str, environment: Mapping[str, str], given: bytes = b"") -> float:
    command = [sys.executable, str(CHILDREN / "resident.py"), what]
    return round(int(run_program(command, environment, given).stdout.split()[-1]) / 1e6, 1)
