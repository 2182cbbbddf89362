"""The cost of `list`, its search, `list --stuck`, `stats` and one batch, as the number of tickets grows."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice

from tests.benchmarks.bench import PROGRAM, Bench, event_of, query
from tests.benchmarks.measure import Comparison, Measure, stopwatch, timed_program

FEW, MANY = 1_000, 1_000_000

_FILL = """
insert into tickets (subject, body, requester, status, category, priority, team, created_at, updated_at)
select 'Ticket ' || n || ' about an invoice', 'I was charged twice for order ' || n || '.',
  'customer' || n % 5000 || '@example.com',
  (array['new', 'processed', 'needs_review', 'closed'])[1 + n % 4],
  (array['billing', 'login', 'bug', 'feature', null])[1 + n % 5],
  (array['low', 'normal', 'high'])[1 + n % 3],
  (array['payments', 'support', 'engineering'])[1 + n % 3],
  moment, moment
from generate_series(1, $1::int) n, lateral (select now() - ($1 - n) * interval '1 second' as moment) at
"""


# every new ticket has its message, every other one an attempt and four saved steps
_FILL_MESSAGES = """
insert into messages (ticket_id, body, enqueued_at, visible_at)
select id, format('{"ticket_id": %s}', id), created_at, created_at from tickets where status = 'new'
"""
_FILL_ATTEMPTS = """
insert into attempts (ticket_id, attempt, started_at, ended_at, outcome, message_id, receive_count)
select id, 1, created_at, created_at, 'processed', gen_random_uuid()::text, 1 from tickets where status <> 'new'
"""
_FILL_STEPS = """
insert into steps (ticket_id, step, output, provider, model, prompt_hash, input_tokens, output_tokens, duration_ms)
select id, step, '{}', 'openai', 'model', 'hash', 300, 40, random() * 1000
from tickets, unnest(array['classify', 'extract', 'route', 'respond']) step where status <> 'new'
"""


_SUMS = (
    "select status, count(*) from tickets group by status",
    "select step, provider, model, count(*), sum(duration_ms), sum(input_tokens) from steps group by 1, 2, 3",
    "select count(*) from messages where dead_at is null",
)


@contextmanager
def listing(bench: Bench) -> Iterator[list[Comparison]]:
    """Compare a million tickets with a thousand: pages, searches with and without hits, and the operator's commands.

    `stats` counts every ticket and sums up every step, so it is also compared with the plain sums. `--json` counts every
    match, so it has no budget.
    """
    many, few = filled(bench, "many", MANY), filled(bench, "few", FEW)

    def compared(*options: str, budget: float | None) -> Comparison:
        command = [*PROGRAM, *options]
        return Comparison(
            what=f"{' '.join(options)}, {MANY:,} tickets",
            ours=partial(timed_program, command, many.environment_with_url),
            against=f"{FEW:,} tickets",
            baseline=partial(timed_program, command, few.environment_with_url),
            budget=budget,
        )

    yield [
        compared("list", budget=1.5),
        compared("list", "--search", "invoice", budget=1.5),
        compared("list", "--search", "4711", budget=1.5),
        compared("list", "--search", "nowhere", budget=1.5),
        compared("list", "--json", budget=None),
        compared("list", "--stuck", budget=1.5),
        Comparison(
            what=f"process 10 new tickets, {MANY:,} tickets",
            ours=_processing(many),
            against=f"{FEW:,} tickets",
            baseline=_processing(few),
            budget=1.5,
        ),
        compared("stats", budget=None),
        Comparison(
            what=f"stats, {MANY:,} tickets",
            ours=partial(timed_program, [*PROGRAM, "stats"], many.environment_with_url),
            against="plain sums over the same tables, asyncpg",
            baseline=partial(_sum_up, many),
            budget=2.0,
        ),
    ]


def _sum_up(bench: Bench) -> float:
    with stopwatch() as elapsed:
        for statement in _SUMS:
            query(bench.url, statement)
    return elapsed()


def _processing(bench: Bench) -> Measure:
    """Time `process` with a new event each time."""
    tickets = bench.tickets()

    def measure() -> float:
        event = json.dumps(event_of(list(islice(tickets, 10)))).encode()
        return timed_program([*PROGRAM, "process", "-"], bench.environment_with_url, event)

    return measure


def filled(bench: Bench, name: str, tickets: int) -> Bench:
    """Make a database with so many tickets: a quarter of them new, the others with an attempt and four steps."""
    made = bench.new_database(name)
    query(made.url, _FILL, tickets)
    for statement in (_FILL_MESSAGES, _FILL_ATTEMPTS, _FILL_STEPS):
        query(made.url, statement)
    for table in ("tickets", "messages", "attempts", "steps"):
        query(made.url, f"vacuum analyze {table}")
    return made
