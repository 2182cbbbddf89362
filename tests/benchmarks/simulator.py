"""What `simulate-warm-starts` costs: the whole matrix against one pair, and one pair against its imports."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.benchmarks.bench import PROGRAM, Bench
from tests.benchmarks.measure import Comparison, timed_program
from tests.benchmarks.starts import IMPORTS

MATRIX = (*PROGRAM, "simulate-warm-starts")
PAIR = (*MATRIX, "--pool", "null", "--loop", "run-per-invocation")


@contextmanager
def matrix(bench: Bench) -> Iterator[list[Comparison]]:
    """Five invocations a cell, while a server that `db start` started keeps running."""

    def pair() -> float:
        return timed_program(PAIR, bench.environment)

    yield [
        Comparison(
            what="simulate-warm-starts, every pool and loop",
            ours=lambda: timed_program(MATRIX, bench.environment),
            against="null with run-per-invocation alone",
            baseline=pair,
            budget=6,
            share=0.5,
        ),
        Comparison(
            what="simulate-warm-starts, null, run-per-invocation",
            ours=pair,
            against="import of SQLAlchemy + asyncpg",
            baseline=lambda: timed_program(IMPORTS, bench.environment),
            budget=3,
        ),
    ]
