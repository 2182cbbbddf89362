"""What a warm invocation costs, against the same SQL through the bare driver."""

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, closing, contextmanager
from functools import partial

from tests.benchmarks.bench import Bench
from tests.benchmarks.measure import Comparison, stopwatch
from tests.benchmarks.same_sql import Connect, fresh_connections, invoke, one_connection, record
from ticketctl.event_loops import Loop, get_loop_policy
from ticketctl.settings import Settings
from ticketctl.worker import Worker

Connections = Callable[[str], AbstractAsyncContextManager[Connect]]


@contextmanager
def null(bench: Bench) -> Iterator[list[Comparison]]:
    """The worker's defaults against as many fresh connections."""
    with _warm(bench, "null", "run-per-invocation", fresh_connections) as (ours, baseline):
        yield [
            Comparison(
                what="warm invocation, null, run-per-invocation",
                ours=ours,
                against="fresh asyncpg connections, same SQL",
                baseline=baseline,
                budget=1.3,
                share=10,
            )
        ]


@contextmanager
def runner(bench: Bench) -> Iterator[list[Comparison]]:
    """A persistent loop and a pool that tries its connections, against one warm connection."""
    with _warm(bench, "queue-pre-ping", "runner", one_connection) as (ours, baseline):
        yield [
            Comparison(
                what="warm invocation, queue-pre-ping, runner",
                ours=ours,
                against="one warm asyncpg connection, same SQL",
                baseline=baseline,
                budget=2,
                share=10,
            )
        ]


@contextmanager
def _warm(
    bench: Bench, pool: str, policy: str, connections: Connections
) -> Iterator[tuple[Callable[[], float], Callable[[], float]]]:
    """Both sides, each in event loops of the same policy."""
    tickets, invocation = bench.tickets(), record(bench)
    worker = Worker(Settings(database_url=bench.url, pool=pool, loop=policy))
    loop = Loop(get_loop_policy(policy), partial(connections, bench.url))

    def ours() -> float:
        ticket_id = next(tickets)
        with stopwatch() as elapsed:
            invoke(worker, ticket_id)
        return elapsed()

    def baseline() -> float:
        send = invocation.replay(next(tickets))
        with stopwatch() as elapsed:
            loop.run(send)
        return elapsed()

    with closing(worker), closing(loop):
        yield ours, baseline
