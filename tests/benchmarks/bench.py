"""What all benchmarks share: a Postgres that keeps running, in a folder of its own, and tickets in it."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg

from tests.benchmarks.measure import run_program
from ticketctl import event_loops
from ticketctl.postgres.address import Address
from ticketctl.tickets.messages import TicketMessage, build_event

PROGRAM = (sys.executable, "-m", "ticketctl")
CHILDREN = Path(__file__).parent / "children"

_SUPPLY = """
insert into tickets (subject, body, requester)
select 'I was charged twice for order 4711', 'Please refund the second payment of 12.50 EUR.', 'ada@example.com'
from generate_series(1, 200) returning id
"""


@dataclass(frozen=True, slots=True)
class Bench:
    """A server that runs meanwhile: the environment of programs that are to find it, and its URL.

    `number` is how many tickets are drained where throughput is measured.
    """

    environment: dict[str, str]
    url: str
    number: int = 10_000

    @property
    def environment_with_url(self) -> dict[str, str]:
        """The environment of a worker: no embedded server, but a database that is named."""
        return self.environment | {"TICKETCTL_DATABASE_URL": self.url}

    def new_database(self, name: str) -> "Bench":
        """Make another database, with empty tables."""
        query(self.url, f"create database {name}")
        made = Bench(self.environment, Address(self.url).with_database(name).dsn)
        run_program([*PROGRAM, "db", "upgrade"], made.environment_with_url)
        return made

    def tickets(self) -> Iterator[int]:
        """New tickets without end; they are made in the database some hundreds at a time."""
        while True:
            yield from [row["id"] for row in query(self.url, _SUPPLY)]


@contextmanager
def running_bench(number: int = 10_000) -> Iterator[Bench]:
    """A server started by `ticketctl db start`, in a folder that is gone afterwards."""
    # the server's own account has to enter it, and a temporary folder is private
    folder = Path(tempfile.mkdtemp(prefix="ticketctl-benchmarks-"))
    folder.chmod(0o755)
    environment = _compiled_once(folder / "bytecode") | {"TICKETCTL_HOME": str(folder / "home")}
    try:
        started = run_program([*PROGRAM, "db", "start"], environment)
        yield Bench(environment, started.stdout.decode().strip(), number)
    finally:
        run_program([*PROGRAM, "db", "stop"], environment)
        shutil.rmtree(folder)


def _compiled_once(cache: Path) -> dict[str, str]:
    """This environment, with all bytecode kept in `cache`, so that both sides are compiled before they count.

    Installed packages were compiled when they were installed; a checkout may be forbidden to keep its bytecode.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return environment | {"PYTHONPYCACHEPREFIX": str(cache)}


def query(url: str, statement: str, *parameters: object) -> list[Any]:
    """Run one statement over a connection of its own and answer its rows."""

    async def fetched() -> list[Any]:
        connection = await asyncpg.connect(url)
        try:
            rows: list[Any] = await connection.fetch(statement, *parameters)
            return rows
        finally:
            await connection.close()

    return event_loops.run(fetched())


def event_of(ticket_ids: Sequence[int]) -> dict[str, Any]:
    """An SQS event with a message for each ticket."""
    return build_event(messages_of(ticket_ids), sent_at=datetime.now(UTC))


def messages_of(ticket_ids: Sequence[int]) -> list[TicketMessage]:
    """A message for each ticket."""
    return [TicketMessage(message_id=str(uuid4()), ticket_id=ticket_id) for ticket_id in ticket_ids]
