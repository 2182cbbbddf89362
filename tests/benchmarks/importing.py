"""A CSV file of 100,000 tickets: `ticketctl import`, beside COPY of the same rows and of their messages.

Both write into the tables of the program with all their indexes. The baseline does nothing else: it has the rows in
memory, checks none, and knows no keys. Ours is the whole program, from its start to its end.
"""

import csv
import hashlib
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg

from tests.benchmarks.bench import PROGRAM, Bench, query
from tests.benchmarks.measure import Comparison, stopwatch, timed_program
from ticketctl import event_loops
from ticketctl.tickets.importing.records import make_key

NUMBER = 100_000
_CLEAR = "truncate tickets, messages cascade"
_COLUMNS = ("id", "subject", "body", "requester", "idempotency_key", "created_by", "created_at", "updated_at")
_BODY = (
    "Please refund the second payment of {} EUR. I paid by card on Monday and was charged again on Tuesday. "
)


def make_rows(number: int) -> list[tuple[str, str, str]]:
    """Return subjects, bodies and requesters as different as those of real tickets are."""
    return [
        (
            f"I was charged twice for order {hashlib.md5(str(n).encode()).hexdigest()[:8]}",  # noqa: S324 - a word
            _BODY.format(n % 997) * (1 + n % 3),
            f"customer{n % 5000}@example.com",
        )
        for n in range(number)
    ]


@contextmanager
def importing(bench: Bench) -> Iterator[list[Comparison]]:
    """The import of a CSV file; seconds for all rows."""
    rows = make_rows(NUMBER)
    keys = [make_key(*row) for row in rows]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "tickets.csv"
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([("subject", "body", "requester"), *rows])

        def import_file() -> float:
            query(bench.url, _CLEAR)
            took = timed_program((*PROGRAM, "import", str(path)), bench.environment_with_url)
            _require_all(bench.url)
            return took

        def copy() -> float:
            query(bench.url, _CLEAR)
            with stopwatch() as seconds:
                event_loops.run(_copy(bench.url, rows, keys))
            _require_all(bench.url)
            return seconds()

        yield [
            Comparison(
                what=f"import of {NUMBER} rows of CSV",
                ours=import_file,
                against="asyncpg COPY of the rows and messages",
                baseline=copy,
                budget=1.5,
                share=0.2,
            )
        ]
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    sys.stderr.write(f"largest process of all: {peak} MB\n")


async def _copy(url: str, rows: list[tuple[str, str, str]], keys: list[str]) -> None:
    now = datetime.now(UTC)
    connection = await asyncpg.connect(url)
    try:
        first = await connection.fetchval("select coalesce(max(id), 0) + 1 from tickets")
        records = [
            (first + n, *row, key, "import:tickets.csv", now, now)
            for n, (row, key) in enumerate(zip(rows, keys, strict=True))
        ]
        await connection.copy_records_to_table("tickets", records=records, columns=_COLUMNS)
        messages = [(record[0], f'{{"ticket_id": {record[0]}}}') for record in records]
        await connection.copy_records_to_table("messages", records=messages, columns=("ticket_id", "body"))
    finally:
        await connection.close()


def _require_all(url: str) -> None:
    ((tickets, messages),) = query(
        url, "select (select count(*) from tickets), (select count(*) from messages)"
    )
    if (tickets, messages) != (NUMBER, NUMBER):
        raise RuntimeError(f"{tickets} tickets and {messages} messages were written")
