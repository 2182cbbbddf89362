"""Pool strategies behind a real PgBouncer in transaction mode."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count, islice
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import NOON
from tests.pgbouncer import POOL_SIZE, installed, pgbouncer, through
from tests.program import ROOT
from ticketctl.tickets.messages import TicketMessage, build_event

PROCESSES = 2
CALLS = PROCESSES * 16 * 3
ROUNDS = 20
"""Rounds of calls within which an unsuitable pool must fail. It nearly always fails in the first."""
ENVIRONMENTS = 200
BATCHES = (1, 2)
"""Records per invocation: of two concurrent ones, the first hands its connection over to the second."""

pytestmark = pytest.mark.skipif(installed() is None, reason="pgbouncer is not installed")

Ask = Callable[[str], str]
Calls = Callable[..., Counter[str]]


@pytest.fixture(scope="module")
def port(server: str) -> Iterator[int]:
    with pgbouncer(server) as made:
        yield made


@pytest.fixture
def pooled_url(port: int, emptied_url: str) -> str:
    return through(port, emptied_url)


@contextmanager
def child(program: str) -> "Iterator[subprocess.Popen[str]]":
    command = [sys.executable, "-W", "ignore", str(Path(__file__).with_name(program))]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture(scope="module")
def calls() -> Iterator[Calls]:
    """Let several processes call concurrently and count the outcomes."""
    seeds = count(step=100)
    with ExitStack() as children:
        started = [children.enter_context(child("calls.py")) for _ in range(PROCESSES)]

        def call(**asked: Any) -> Counter[str]:
            for process in started:
                process.stdin.write(json.dumps(asked | {"seed": next(seeds)}) + "\n")
                process.stdin.flush()
            outcomes: Counter[str] = Counter()
            for process in started:
                outcomes += Counter(json.loads(process.stdout.readline()))
            assert outcomes.total() == CALLS
            return outcomes

        yield call


@pytest.mark.parametrize("autocommit", [True, False], ids=["autocommit", "transactions"])
def test_concurrent_processes_get_correct_results_through_pgbouncer(
    calls: Calls, pooled_url: str, *, autocommit: bool
) -> None:
    assert calls(url=pooled_url, pool="pgbouncer", autocommit=autocommit) == {"ok": CALLS}


@pytest.mark.parametrize(
    ("pool", "autocommit", "text"),
    [
        ("null", True, "does not exist"),
        ("null", False, "already exists"),
        ("queue", True, "already exists"),
        ("queue-pre-ping", False, "already exists"),
        ("unique-names", True, "does not exist"),
    ],
)
def test_other_pools_fail_on_statements_of_other_backends(
    calls: Calls, pooled_url: str, pool: str, *, autocommit: bool, text: str
) -> None:
    """Which backend a call gets is random, and so is its error: repeat until the expected text occurs."""
    outcomes: Counter[str] = Counter()
    for _ in range(ROUNDS):
        outcomes += calls(url=pooled_url, pool=pool, autocommit=autocommit)
        errors = [outcome for outcome in outcomes if outcome.startswith('prepared statement "__asyncpg_')]
        if any(text in outcome.partition("\n")[0] for outcome in errors):
            return
    pytest.fail(f"no call failed because a statement {text}: {outcomes}")


def test_two_hundred_environments_share_twenty_connections(
    pooled_url: str, ask: Ask, sql: Callable[[str], str]
) -> None:
    """Two processes with a hundred workers each; every worker has its own thread, event loops and engine."""
    tickets = PROCESSES + ENVIRONMENTS * sum(BATCHES)
    made = ask(
        f"insert into tickets (subject) select 'I was charged twice' from generate_series(1, {tickets}) returning id"  # noqa: S608 - the test's own
    )
    messages = iter(
        TicketMessage(message_id=f"m-{line}", ticket_id=int(line))
        for line in made.splitlines()
        if line.isdigit()  # psql says how many there were too
    )

    def event(records: int) -> dict[str, Any]:
        return build_event(list(islice(messages, records)), sent_at=NOON)

    firsts = [event(1) for _ in range(PROCESSES)]
    environments = [[event(records) for records in BATCHES] for _ in range(ENVIRONMENTS)]
    settings = {"database_url": pooled_url, "pool": "pgbouncer", "application_name": "two-hundred"}
    held = []
    with ExitStack() as children:
        started = [children.enter_context(child("environments.py")) for _ in range(PROCESSES)]
        for number, process in enumerate(started):
            own = environments[number::PROCESSES]
            process.stdin.write(json.dumps({"settings": settings, "first": firsts[number], "events": own}))
            process.stdin.close()
        while any(process.poll() is None for process in started):
            held.append(
                int(sql("select count(*) from pg_stat_activity where application_name = 'two-hundred'"))
            )
        failed = [json.loads(process.stdout.read()) for process in started]
    assert failed == [[]] * PROCESSES
    assert ask("select status, count(*) from tickets group by status") == f"processed|{tickets}"
    assert 0 < max(held) <= POOL_SIZE
