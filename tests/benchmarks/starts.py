"""What a process costs from its start to its end: a first invocation, and `--help`."""

import json
import pickle
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.benchmarks.bench import CHILDREN, PROGRAM, Bench, event_of
from tests.benchmarks.measure import Comparison, timed_program
from tests.benchmarks.same_sql import record

IMPORTS = (sys.executable, "-c", "import sqlalchemy.ext.asyncio, asyncpg")
"""What nobody who speaks to Postgres through SQLAlchemy in asyncio can do without."""


@contextmanager
def first_invocation(bench: Bench) -> Iterator[list[Comparison]]:
    """Import the worker and process one ticket, offline, against the same SQL through SQLAlchemy's engine."""
    tickets, invocation = bench.tickets(), record(bench)
    environment = bench.environment_with_url | {"AWS_LAMBDA_FUNCTION_NAME": "ticketctl"}

    def ours() -> float:
        event = json.dumps(event_of([next(tickets)]))
        return timed_program(
            [sys.executable, str(CHILDREN / "first_invocation.py")], environment, event.encode()
        )

    def baseline() -> float:
        batches = pickle.dumps(invocation.renewed(next(tickets)))
        command = [sys.executable, str(CHILDREN / "same_sql_once.py"), bench.url]
        return timed_program(command, bench.environment, batches)

    yield [
        Comparison(
            what="import of the worker, first invocation",
            ours=ours,
            against="SQLAlchemy + asyncpg, same SQL",
            baseline=baseline,
            budget=1.1,
            share=1.5,
        )
    ]


@contextmanager
def help_text(bench: Bench) -> Iterator[list[Comparison]]:
    """`ticketctl --help` against a Typer program of two commands."""
    yield [
        Comparison(
            what="ticketctl --help",
            ours=lambda: timed_program([*PROGRAM, "--help"], bench.environment),
            against="Typer program of two commands",
            baseline=lambda: timed_program(
                [sys.executable, str(CHILDREN / "two_commands.py"), "--help"], bench.environment
            ),
            budget=1.0,
            share=1.5,
        )
    ]
