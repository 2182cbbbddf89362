"""Ten thousand tickets drained by two warm environments, beside as many no-op jobs of procrastinate.

Both are whole programs on the same server with the same concurrency. Ours classifies, extracts, routes, drafts
and writes every ticket; theirs does nothing but settle its job.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.benchmarks.bench import CHILDREN, PROGRAM, Bench, query
from tests.benchmarks.measure import Comparison, run_program, timed_program

NUMBER = 10_000
CONCURRENCY = 2
_CLEAR = "truncate tickets, steps, attempts, messages, changes"
_FILL = """
with made as (
  insert into tickets (subject, body, requester)
  select 'I was charged twice for order ' || n, 'Please refund the second payment of 12.50 EUR.', 'ada@example.com'
  from generate_series(1, $1::int) n returning id
)
insert into messages (ticket_id, body) select id, format('{"ticket_id": %s}', id) from made
"""
_UNDONE = "select count(*) from tickets where status not in ('processed', 'needs_review')"
_JOBS_UNDONE = "select count(*) from procrastinate_jobs where status <> 'succeeded'"


@contextmanager
def throughput(bench: Bench) -> Iterator[list[Comparison]]:
    """The default pool and loop, then the pair that keeps its connections; seconds for all."""
    jobs = _Jobs(bench)
    yield [_drained(bench, jobs), _drained(bench, jobs, "--pool", "queue-pre-ping", "--loop", "runner")]


def _drained(bench: Bench, jobs: "_Jobs", *chosen: str) -> Comparison:
    command = (*PROGRAM, "work", "--drain", "--concurrency", str(CONCURRENCY), *chosen)

    def drain() -> float:
        query(bench.url, _CLEAR)
        query(bench.url, _FILL, NUMBER)
        took = timed_program(command, bench.environment_with_url)
        _none_left(bench.url, _UNDONE)
        return took

    return Comparison(
        what=f"work --drain, {NUMBER} tickets{' ' + chosen[-1] if chosen else ''}",
        ours=drain,
        against=f"procrastinate, {NUMBER} no-op jobs",
        baseline=jobs.drain,
        budget=1,
        share=0.1,
    )


class _Jobs:
    """Procrastinate's jobs, in a database of their own."""

    def __init__(self, bench: Bench) -> None:
        query(bench.url, "create database jobs")
        self._url = bench.url.replace("/ticketctl?", "/jobs?")
        self._environment = bench.environment | {"JOBS_URL": self._url, "PYTHONPATH": str(CHILDREN)}
        self._program = (sys.executable, "-m", "procrastinate", "--app", "procrastinate_app.app")
        run_program([*self._program, "schema", "--apply"], self._environment)

    def drain(self) -> float:
        query(self._url, "truncate procrastinate_jobs cascade")
        run_program([sys.executable, str(CHILDREN / "procrastinate_app.py"), str(NUMBER)], self._environment)
        worker = [*self._program, "worker", "--one-shot", "--concurrency", str(CONCURRENCY)]
        took = timed_program(worker, self._environment)
        _none_left(self._url, _JOBS_UNDONE)
        return took


def _none_left(url: str, undone: str) -> None:
    ((left,),) = query(url, undone)
    if left:
        raise RuntimeError(f"{left} were not done")
