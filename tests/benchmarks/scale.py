"""The cost of each operation as the table grows, and of more workers: `python -m tests.benchmarks.scale`.

Prints the milliseconds of create, claim, finish, list, search, stats and stuck at each number of tickets, over one warm
connection: the least of all rounds, since a machine's other work only adds to it. The sizes take turns. The last column compares the
largest table with the smallest one. A second table shows how many tickets 1 to 8 execution environments drain per
second. Filling a million tickets takes minutes.

    python -m tests.benchmarks.scale                               everything
    python -m tests.benchmarks.scale --sizes 1000 100000 --rounds 5
    python -m tests.benchmarks.scale --url URL                     use this server, and databases filled there before
    python -m tests.benchmarks.scale --explain list stuck          the plans of these at the largest size, too
"""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from time import perf_counter
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Engine, event

from tests.benchmarks.bench import PROGRAM, Bench, messages_of, query, running_bench
from tests.benchmarks.listing import filled
from tests.benchmarks.measure import run_program, timed_program
from ticketctl import event_loops
from ticketctl.postgres.address import Address
from ticketctl.runtime import Database, open_operator_resources
from ticketctl.settings import Settings
from ticketctl.tickets.filters import TicketFilter
from ticketctl.tickets.models import Classification, Draft, Extraction, NewTicket, Route, Step, StepRecord
from ticketctl.tickets.operator_resources import OperatorResources
from ticketctl.tickets.protocols import PipelineResult
from ticketctl.tickets.statuses import TicketStatus

SIZES = (1_000, 100_000, 1_000_000)
ENVIRONMENTS = (1, 2, 4, 8)
BATCH = 10
_PAGE = 50
_RESULT = PipelineResult(
    status=TicketStatus.PROCESSED,
    classification=Classification(
        category="billing",
        priority="normal",
        sentiment="neutral",
        language="en",
        confidence=0.9,
        method="model",
    ),
    extraction=Extraction(),
    route=Route(team="payments", rule="billing", reason="the category is billing"),
    draft=Draft(text="We refunded the second payment.", method="template"),
)
_STEPS = [
    StepRecord(step=step, output={}, provider="offline", model="offline", prompt_hash="hash") for step in Step
]
_FILL_QUEUE = """
with made as (
  insert into tickets (subject, body, requester)
  select 'I was charged twice for order ' || n, 'Please refund the second payment of 12.50 EUR.', 'ada@example.com'
  from generate_series(1, $1::int) n returning id
)
insert into messages (ticket_id, body) select id, format('{"ticket_id": %s}', id) from made
"""


@dataclass(frozen=True, slots=True)
class _Side:
    """One size: its open resources, and ids of new tickets without end."""

    opened: OperatorResources
    new_ids: Iterator[int]

    async def measure_round(self) -> dict[str, float]:
        """Run every operation once; return seconds by name. Those on batches count per ticket."""
        seconds: dict[str, float] = {}
        for name, run in self.operations().items():
            started = perf_counter()
            await run()
            seconds[name] = perf_counter() - started
        seconds |= await self._measure_batch()
        seconds["create + claim + finish"] = seconds["create"] + seconds["claim"] + seconds["finish"]
        return seconds

    def operations(self) -> Mapping[str, Callable[[], Awaitable[object]]]:
        store, operations = self.opened.store, self.opened.operations

        async def find(**wanted: Any) -> object:
            return await store.list(
                TicketFilter(**wanted), sort="-created", limit=_PAGE, after=None, count=False
            )

        return {
            "create": lambda: store.create(
                NewTicket(subject="I was charged twice", requester="ada@example.com")
            ),
            "list": find,
            "list a team's": lambda: find(team=("payments",)),
            "search, frequent word": lambda: find(search="invoice"),
            "search, rare word": lambda: find(search="711"),
            "search, no match": lambda: find(search="nowhere"),
            "stuck": lambda: operations.list_stuck(timedelta(minutes=15), limit=_PAGE),
            "stats": operations.get_statistics,
        }

    async def _measure_batch(self) -> dict[str, float]:
        store, token = self.opened.store, uuid4()
        messages = messages_of(list(islice(self.new_ids, BATCH)))
        started = perf_counter()
        await store.claim(messages, token=token, lease=timedelta(minutes=5), environment_id="scale")
        claimed = perf_counter()
        written = await asyncio.gather(
            *(store.finish(message.ticket_id, token, _RESULT, _STEPS) for message in messages)
        )
        finished = perf_counter()
        if not all(written):
            raise RuntimeError("a lease was lost")
        return {"claim": (claimed - started) / BATCH, "finish": (finished - claimed) / BATCH}


@contextmanager
def keep_statements(statements: list[tuple[str, tuple[Any, ...]]]) -> Iterator[None]:
    """Keep what is sent meanwhile, with its parameters."""

    def keep(_: Connection, __: object, sql: str, parameters: tuple[Any, ...], *_more: object) -> None:
        statements.append((sql, parameters))

    event.listen(Engine, "before_cursor_execute", keep)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", keep)


async def measure_sizes(
    benches: Mapping[int, Bench], new_ids: Mapping[int, list[int]], rounds: int, explained: list[str]
) -> dict[str, dict[int, float]]:
    """Return the least seconds by operation and size; print the plans of the `explained` operations.

    `new_ids` has a batch of new tickets for each round, and one more.
    """
    async with AsyncExitStack() as stack:
        sides = {
            size: _Side(await stack.enter_async_context(_open(bench)), iter(new_ids[size]))
            for size, bench in benches.items()
        }
        for side in sides.values():
            await side.measure_round()  # plans and caches
        measured: dict[str, dict[int, list[float]]] = {}
        for _ in range(rounds):
            for size, side in sides.items():
                for name, seconds in (await side.measure_round()).items():
                    measured.setdefault(name, {}).setdefault(size, []).append(seconds)
        largest = max(sides)
        for name in explained:
            statements: list[tuple[str, tuple[Any, ...]]] = []
            with keep_statements(statements):
                await sides[largest].operations()[name]()
            await _print_plans(name, benches[largest].url, statements)
    return {name: {size: min(all_) for size, all_ in sizes.items()} for name, sizes in measured.items()}


@asynccontextmanager
async def _open(bench: Bench) -> AsyncIterator[OperatorResources]:
    settings = Settings(database_url=bench.url)
    async with open_operator_resources(Database(settings, embedded=False)) as opened:
        yield opened


async def _print_plans(name: str, url: str, statements: list[tuple[str, tuple[Any, ...]]]) -> None:
    import asyncpg

    connection = await asyncpg.connect(url)
    try:
        for sql, parameters in statements:
            rows = await connection.fetch(f"explain (analyze, buffers, costs off) {sql}", *parameters)
            sys.stdout.write("\n".join([f"-- {name}", *(row[0] for row in rows)]) + "\n")
    finally:
        await connection.close()


def drain(bench: Bench, environments: int, tickets: int) -> float:
    """Drain a queue with so many execution environments; return tickets per second, start and end included."""
    query(bench.url, "truncate tickets, messages cascade")
    query(bench.url, _FILL_QUEUE, tickets)
    command = (*PROGRAM, "work", "--drain", "--concurrency", str(environments))
    return tickets / timed_program(command, bench.environment_with_url)


def print_sizes(table: Mapping[str, Mapping[int, float]]) -> None:
    """Print milliseconds by operation and size, and the ratio of the largest to the smallest size."""
    sizes = sorted(next(iter(table.values())))
    heads = [*(f"{size:,}" for size in sizes), "ratio"]
    sys.stdout.write(f"{'milliseconds at so many tickets':<34}{''.join(f'{head:>12}' for head in heads)}\n")
    for name, row in table.items():
        cells = [f"{row[size] * 1000:.2f}" for size in sizes] + [f"{row[sizes[-1]] / row[sizes[0]]:.2f}"]
        sys.stdout.write(f"{name:<34}{''.join(f'{cell:>12}' for cell in cells)}\n")
    sys.stdout.flush()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.scale", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of tickets")
    parser.add_argument("--rounds", type=int, default=15, help="rounds to measure (default: 15)")
    parser.add_argument(
        "--drained", type=int, default=2_000, help="tickets to drain; 0: do not (default: 2000)"
    )
    parser.add_argument("--url", help="a running server; its databases scale_SIZE are filled once")
    parser.add_argument("--explain", nargs="+", default=[], metavar="NAME", help="print the plans of these")
    return parser.parse_args()


def _filled_once(bench: Bench, size: int) -> Bench:
    name = f"scale_{size}"
    if query(bench.url, "select from pg_database where datname = $1", name):
        return Bench(bench.environment, Address(bench.url).with_database(name).dsn)
    return filled(bench, name, size)


@contextmanager
def _bench(url: str | None) -> Iterator[Bench]:
    import os

    if url is None:
        with running_bench() as bench:
            yield bench
    else:
        run_program([*PROGRAM, "db", "upgrade"], os.environ | {"TICKETCTL_DATABASE_URL": url})
        yield Bench(dict(os.environ), url)


def main() -> None:
    """Fill the databases, measure, and print both tables."""
    options = _options()
    with _bench(options.url) as bench:
        benches = {size: _filled_once(bench, size) for size in options.sizes}
        number = BATCH * (options.rounds + 1)
        new_ids = {size: list(islice(bench.tickets(), number)) for size, bench in benches.items()}
        print_sizes(event_loops.run(measure_sizes(benches, new_ids, options.rounds, options.explain)))
        if options.drained:
            for environments in ENVIRONMENTS:
                speed = drain(bench, environments, options.drained)
                sys.stdout.write(f"{environments} environments: {speed:.0f} tickets/s\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
