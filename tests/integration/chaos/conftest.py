"""A chaos run: a database with tickets, processes that drain it, and the checks at the end."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.integration.chaos.sabotage import FOLDER, read_journal

ROOT = Path(__file__).parents[3]
RUN_TIMEOUT = 120
"""Seconds after which a run counts as hung."""
SETTINGS = {
    "FUNCTION_TIMEOUT": "2",
    "VISIBILITY_TIMEOUT": "3",
    "SHUTDOWN_RESERVE": "0.3",
    "MAX_RECEIVE_COUNT": "20",
    "BATCH_SIZE": "5",
    "CONCURRENCY": "2",
}
MAKE = """
with made as (
  insert into tickets (subject, body) select 'Order ' || n, 'It did not arrive.' from generate_series(1, {tickets}) n
  returning id
)
insert into messages (ticket_id, body)
select id, format('{{"ticket_id": %s}}', id) from made cross join generate_series(1, {copies}) order by random()
"""


class Figures(NamedTuple):
    """The number of kills, and of answers that were paid for twice."""

    kills: int
    paid_twice: int


@dataclass
class Run:
    """A database, a folder with the fault plan, and the processes that were started."""

    url: str
    folder: Path
    sql: Callable[..., str]
    record: Callable[[str, object], None]
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    observer_url: str | None = None
    """The URL for queries of the test, where it is not that of the processes."""

    def plan(self, *, seed: int, latency: float = 0.02, **plan: Any) -> None:
        """Write the fault plan."""
        text = json.dumps({"seed": seed, "latency": latency, **plan})
        (self.folder / "plan.json").write_text(text, "utf-8")

    def make(self, tickets: int, copies: int = 1) -> None:
        """Insert tickets with this number of messages each."""
        self.ask(MAKE.format(tickets=tickets, copies=copies))

    def ask(self, statement: str) -> str:
        """Query the database over a connection of its own."""
        return self.sql(statement, self.observer_url or self.url)

    def start(self, **settings: str) -> subprocess.Popen[bytes]:
        """Start a process that drains the queue."""
        chosen = {f"TICKETCTL_{name}": value for name, value in (SETTINGS | settings).items()}
        with (self.folder / "stderr").open("ab") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.integration.chaos.rig"],
                cwd=ROOT,
                env={**os.environ, **chosen, "TICKETCTL_DATABASE_URL": self.url, FOLDER: str(self.folder)},
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )
        self.processes.append(process)
        return process

    def operate(self, *command: str, **settings: str) -> subprocess.Popen[bytes]:
        """Start the program with a command."""
        chosen = {f"TICKETCTL_{name}": value for name, value in settings.items()}
        with (self.folder / "stderr").open("ab") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "ticketctl", *command],
                env={**os.environ, **chosen, "TICKETCTL_DATABASE_URL": self.url},
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )
        self.processes.append(process)
        return process

    def drain(self, **settings: str) -> None:
        """Drain the queue; replace each process that is killed."""
        while (status := self.start(**settings).wait(RUN_TIMEOUT)) == -signal.SIGKILL:
            pass
        assert status == 0, (self.folder / "stderr").read_text("utf-8")

    def wait_until(self, condition: str) -> None:
        """Wait until a condition on the database holds."""
        deadline = time.monotonic() + RUN_TIMEOUT
        while self.ask(f"select {condition}") != "t":
            assert time.monotonic() < deadline, f"it never came to be that {condition}"
            time.sleep(0.05)

    def wait_for_journal(self, what: str, number: int) -> None:
        """Wait until the processes have noted something that many times."""
        deadline = time.monotonic() + RUN_TIMEOUT
        while self._count(what) < number:
            assert time.monotonic() < deadline, f"{what} was noted {self._count(what)} times only"
            time.sleep(0.05)

    def wait_for_stderr(self, text: str) -> None:
        """Wait until a process has written the text on stderr."""
        deadline = time.monotonic() + RUN_TIMEOUT
        while text not in (written := (self.folder / "stderr").read_text("utf-8")):
            assert time.monotonic() < deadline, f"nothing on stderr contains {text!r}: {written}"
            time.sleep(0.05)

    def check_settled(self, *, tickets: int, kills: int = 0) -> None:
        """Check that the real worker, without a journal, settled every ticket in exactly one attempt that succeeded."""
        settled = "select count(*) from tickets where status in ('processed', 'needs_review')"
        assert self.ask(settled) == self.ask("select count(*) from tickets") == str(tickets)
        finishes = "select count(*), count(distinct ticket_id) from attempts where outcome in ('processed', 'needs_review')"
        assert self.ask(finishes) == f"{tickets}|{tickets}"
        assert self.ask("select count(*) from messages") == "0"
        self.record("chaos", {"runs": 1, "tickets": tickets, "kills": kills})

    @property
    def journal(self) -> list[dict[str, Any]]:
        return read_journal(self.folder)

    def environments(self) -> list[int]:
        """Return the pids of the started environments, the oldest first."""
        return [line["environment"] for line in self.journal if line["what"] == "started"]

    def check(self, *, tickets: int, wasted: int = 0) -> Figures:
        """Check what must hold whatever was killed.

        `wasted` calls may have been made by frozen workers although the answer was saved.
        """
        assert self.ask("select status, count(*) from tickets group by 1") == f"processed|{tickets}"
        assert self.ask("select count(*) from messages") == "0"
        finishes = "select count(*), count(distinct ticket_id) from attempts where outcome = 'processed'"
        assert self.ask(finishes) == f"{tickets}|{tickets}"
        assert self.ask("select count(*) from attempts where ended_at is null") == "0"
        assert self.ask("select count(*) from steps") == str(4 * tickets)
        repeated, twice = self._repeats()
        assert repeated <= wasted
        kills = self._count("killed")
        # what went wrong besides: refused calls of the queue, and attempts that failed because of the provider
        faults = self._count("refused") + int(
            self.ask("select count(*) from attempts where outcome = 'failed'")
        )
        figures = {"kills": kills, "faults": faults, "paid twice": twice, "in vain": repeated}
        self.record("chaos", {"runs": 1, "tickets": tickets, **figures})
        return Figures(kills=kills, paid_twice=twice)

    def _repeats(self) -> tuple[int, int]:
        """Count the questions asked although the answer was saved, and those asked again because it was not saved.

        Each lost or failed attempt may have asked once per step.
        """
        saved: set[tuple[int, str]] = set()
        answered: set[tuple[int, str]] = set()
        asked: Counter[tuple[int, str]] = Counter()
        repeated = twice = 0
        for line in self.journal:
            question = (line.get("ticket"), line.get("step"))
            if line["what"] == "saved":
                saved.add(question)
            elif line["what"] == "answered":
                answered.add(question)
            elif line["what"] == "asked":
                repeated += question in saved
                twice += question in answered - saved
                asked[question] += 1
        unfinished = "select ticket_id, count(*) from attempts where outcome in ('lost', 'failed') group by 1"
        allowed = dict(map(int, row.split("|")) for row in self.ask(unfinished).split())
        assert all(calls <= 1 + allowed.get(ticket, 0) for (ticket, _), calls in asked.items())
        return repeated, twice

    def _count(self, what: str) -> int:
        return sum(line["what"] == what for line in self.journal)

    def close(self) -> None:
        """Kill the processes that still run, and the environments that they started."""
        for process in self.processes:
            with suppress(ProcessLookupError):
                process.kill()
            process.wait()
        for pid in self.environments():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def run(
    database_url: str,
    sql: Callable[..., str],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> Iterator[Run]:
    made = Run(database_url, tmp_path, sql, record_property)
    yield made
    made.close()


@pytest.fixture
def chance() -> random.Random:
    """Random numbers that are the same in every run with the same CHAOS_SEED."""
    return random.Random(int(os.environ.get("CHAOS_SEED", "4")))  # noqa: S311 - repeatable on purpose
