"""Ten thousand tickets drained by two warm environments, beside as many no-op jobs of other queues, and the limit.

All are whole programs on the same server with the same concurrency. Ours classifies, extracts, routes, drafts and
writes every ticket; the jobs of procrastinate and pgqueuer do nothing. The limit is what Postgres needs for our own
statements: a bare loop sends them, with one warm connection for each process.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.benchmarks.bench import CHILDREN, PROGRAM, Bench, query
from tests.benchmarks.measure import Comparison, Measure, run_program, stopwatch, timed_program
from tests.benchmarks.raw_limit import RawDrain

CONCURRENCY = 2
RUNNER = ("--pool", "queue-pre-ping", "--loop", "runner")
_CLEAR = "truncate tickets, messages cascade"
_FILL = """
with made as (
  insert into tickets (subject, body, requester)
  select 'I was charged twice for order ' || n, 'Please refund the second payment of 12.50 EUR.', 'ada@example.com'
  from generate_series(1, $1::int) n returning id
)
insert into messages (ticket_id, body) select id, format('{"ticket_id": %s}', id) from made
"""
_UNDONE = "select count(*) from tickets where status not in ('processed', 'needs_review')"
_LEFT = "select count(*) from messages"
_JOBS_UNDONE = "select count(*) from procrastinate_jobs where status <> 'succeeded'"
_PGQUEUER_UNDONE = "select count(*) from pgqueuer"


@contextmanager
def throughput(bench: Bench) -> Iterator[list[Comparison]]:
    """The default pool and loop, then the pair that keeps its connections; seconds for all."""
    yield _compare(
        bench, f"procrastinate, {bench.number} no-op jobs", _Procrastinate(bench).drain, (0.7, 0.5)
    )


@contextmanager
def peer(bench: Bench) -> Iterator[list[Comparison]]:
    """The same against pgqueuer, as many processes as we have environments."""
    yield _compare(bench, f"pgqueuer, {bench.number} no-op jobs", _Pgqueuer(bench).drain, (None, None))


@contextmanager
def limit(bench: Bench) -> Iterator[list[Comparison]]:
    """The same against our own statements through bare asyncpg."""
    _fill(bench)
    raw = RawDrain(bench, CONCURRENCY)

    def drain() -> float:
        _fill(bench)
        took = raw.drain()
        _none_left(bench.url, _UNDONE, _LEFT)
        return took

    yield _compare(bench, "the same statements, bare asyncpg", drain, (2, 2))


def _compare(
    bench: Bench, against: str, baseline: Measure, budgets: tuple[float | None, float | None]
) -> list[Comparison]:
    return [
        Comparison(
            what=f"work --drain, {bench.number} tickets{name}",
            ours=_work(bench, options),
            against=against,
            baseline=baseline,
            budget=budget,
            share=0.1,
        )
        for (name, options), budget in zip((("", ()), (" runner", RUNNER)), budgets, strict=True)
    ]


def _work(bench: Bench, options: tuple[str, ...]) -> Callable[[], float]:
    command = (*PROGRAM, "work", "--drain", "--concurrency", str(CONCURRENCY), *options)

    def drain() -> float:
        _fill(bench)
        took = timed_program(command, bench.environment_with_url)
        _none_left(bench.url, _UNDONE, _LEFT)
        return took

    return drain


def _fill(bench: Bench) -> None:
    query(bench.url, _CLEAR)
    query(bench.url, _FILL, bench.number)


class _Procrastinate:
    """Procrastinate's jobs, in a database of their own."""

    def __init__(self, bench: Bench) -> None:
        query(bench.url, "create database jobs")
        self._number = bench.number
        self._url = bench.url.replace("/ticketctl?", "/jobs?")
        self._environment = bench.environment | {"JOBS_URL": self._url, "PYTHONPATH": str(CHILDREN)}
        self._program = (sys.executable, "-m", "procrastinate", "--app", "procrastinate_app.app")
        run_program([*self._program, "schema", "--apply"], self._environment)

    def drain(self) -> float:
        query(self._url, "truncate procrastinate_jobs cascade")
        enqueue = [sys.executable, str(CHILDREN / "procrastinate_app.py"), str(self._number)]
        run_program(enqueue, self._environment)
        worker = [*self._program, "worker", "--one-shot", "--concurrency", str(CONCURRENCY)]
        took = timed_program(worker, self._environment)
        _none_left(self._url, _JOBS_UNDONE)
        return took


class _Pgqueuer:
    """pgqueuer's jobs, in a database of their own."""

    def __init__(self, bench: Bench) -> None:
        query(bench.url, "create database pgqueuer")
        self._number = bench.number
        self._url = bench.url.replace("/ticketctl?", "/pgqueuer?")
        self._environment = bench.environment
        self._program = (sys.executable, str(CHILDREN / "pgqueuer_app.py"), self._url)
        run_program([*self._program, "install"], self._environment)

    def drain(self) -> float:
        query(self._url, "truncate pgqueuer, pgqueuer_log")
        run_program([*self._program, "enqueue", str(self._number)], self._environment)
        with stopwatch() as elapsed:
            workers = [
                subprocess.Popen(
                    [*self._program, "work"],
                    env=self._environment,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
                for _ in range(CONCURRENCY)
            ]
            failed = [worker.returncode for worker in workers if worker.wait()]
        if failed:
            raise RuntimeError(f"a worker of pgqueuer ended with {failed[0]}")
        _none_left(self._url, _PGQUEUER_UNDONE)
        return elapsed()


def _none_left(url: str, *undone: str) -> None:
    for statement in undone:
        ((left,),) = query(url, statement)
        if left:
            raise RuntimeError(f"{left} were not done")
