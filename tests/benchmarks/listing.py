"""What the first page of `list` costs as the tickets grow."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from tests.benchmarks.bench import PROGRAM, Bench, query
from tests.benchmarks.measure import Comparison, timed_program

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


@contextmanager
def listing(bench: Bench) -> Iterator[list[Comparison]]:
    """The first page of a million tickets against that of a thousand, as text and as JSON with its total."""
    many, few = _filled(bench, "many", MANY), _filled(bench, "few", FEW)

    def compared(*options: str, budget: float | None) -> Comparison:
        command = [*PROGRAM, "list", *options]
        return Comparison(
            what=f"{' '.join(['list', *options])}, {MANY:,} tickets",
            ours=partial(timed_program, command, many.environment_with_url),
            against=f"{FEW:,} tickets",
            baseline=partial(timed_program, command, few.environment_with_url),
            budget=budget,
        )

    yield [compared(budget=1.5), compared("--json", budget=None)]


def _filled(bench: Bench, name: str, tickets: int) -> Bench:
    made = bench.new_database(name)
    query(made.url, _FILL, tickets)
    query(made.url, "vacuum analyze tickets")
    return made
