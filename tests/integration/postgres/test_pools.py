"""The outcome of every pool strategy under every loop policy, with the real worker and a real server."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.fakes import NOON
from tests.proxy import tcp_proxy
from tests.warm import Environments, environments
from ticketctl.postgres.pools import POOLS
from ticketctl.tickets.messages import TicketMessage, build_event

OK, A, B = "...", "AAA", "BBB"
ALWAYS_OK = [OK] * 5
ONCE = [OK, A, B, B, B]
ALTERNATING = [OK, A, OK, A, OK]
PER_INVOCATION = {
    "null": ALWAYS_OK,
    "queue": ONCE,
    "queue-pre-ping": ALTERNATING,
    "queue-recycle": ALWAYS_OK,
    "static": ONCE,
    "dispose": ALWAYS_OK,
    "dispose-no-close": ALWAYS_OK,
    "fresh-engine": ALWAYS_OK,
    "pgbouncer": ALWAYS_OK,
}
CELLS = {
    **{("run-per-invocation", pool): expected for pool, expected in PER_INVOCATION.items()},
    **{("runner", pool): ALWAYS_OK for pool in PER_INVOCATION},
    ("run-per-record", "queue"): [".AB", B, B, B, B],
    ("run-per-record", "queue-pre-ping"): [".A.", "A.A", ".A.", "A.A", ".A."],
    ("run-per-record", "null"): ALWAYS_OK,
}
"""Five invocations of three records, one letter per record: `.` done, `A` and `B` the two errors of a closed loop."""
LEFT = {
    ("run-per-invocation", "null"): 0,
    ("run-per-invocation", "queue"): 1,
    ("run-per-invocation", "queue-pre-ping"): 10,
    ("run-per-invocation", "queue-recycle"): 1,
    ("run-per-invocation", "static"): 1,
    ("run-per-invocation", "dispose"): 0,
    ("run-per-invocation", "dispose-no-close"): 20,
    ("run-per-invocation", "fresh-engine"): 20,
    ("run-per-invocation", "pgbouncer"): 0,
    ("runner", "queue"): 1,
    ("runner", "queue-pre-ping"): 1,
    ("runner", "null"): 0,
}
"""Connections that the server still holds after twenty invocations with the garbage collector off."""
WITH_COLLECTOR = {"null": 0, "queue": 1, "queue-recycle": 1, "static": 1, "dispose": 0, "pgbouncer": 0}
"""The same with the garbage collector on, for the pairs where its timing makes no difference."""

Ask = Callable[[str], str]
Settled = Callable[[str, int], int]


@pytest.fixture(scope="module")
def house() -> Iterator[Environments]:
    with environments() as made:
        yield made


@pytest.fixture(scope="module")
def tcp_url(shared_database_url: str) -> Iterator[str]:
    """The URL of the shared database over TCP."""
    url = urlsplit(shared_database_url)
    with tcp_proxy(Path(parse_qs(url.query)["host"][0], ".s.PGSQL.5432")) as port:
        yield f"postgresql://postgres@127.0.0.1:{port}{url.path}"


def events(ask: Ask, invocations: int, records: int) -> list[dict[str, Any]]:
    """Make an event with new tickets for each invocation."""
    numbers = f"generate_series(1, {invocations * records})"
    made = ask(f"insert into tickets (subject) select 'I was charged twice' from {numbers} returning id")  # noqa: S608 - the test's own
    messages = [
        TicketMessage(message_id=f"m-{line}", ticket_id=int(line))
        for line in made.splitlines()
        if line.isdigit()  # psql also prints the number of rows
    ]
    batches = [messages[start : start + records] for start in range(0, len(messages), records)]
    return [build_event(batch, sent_at=NOON) for batch in batches]


def letter(record: dict[str, Any]) -> str:
    if record["error"] is None:
        return "."
    faces = {
        ("RuntimeError", "attached to a different loop"): "A",
        ("InterfaceError", "another operation is in progress"): "B",
    }
    for (kind, text), face in faces.items():
        if record["error_type"] == kind and text in record["error"]:
            return face
    return f"<{record['error_type']}: {record['error']}>"


def sequence(answer: dict[str, Any]) -> list[str]:
    return ["".join(map(letter, invocation)) for invocation in answer["invocations"]]


def sequences(house: Environments, ask: Ask, **chosen: Any) -> dict[tuple[str, str], list[str]]:
    """Return the outcome of each pair; `names` are the names under which the pools are configured."""
    names = chosen.pop("names", {pool: pool for pool in POOLS})
    batches = events(ask, 5 * len(CELLS), 3)
    seen = {}
    for number, (loop, pool) in enumerate(CELLS):
        own = batches[5 * number : 5 * number + 5]
        with house.warm(own, loop=loop, pool=names[pool], **chosen) as answer:
            seen[loop, pool] = sequence(answer)
    return seen


def test_measured_outcomes_over_a_unix_socket(house: Environments, emptied_url: str, ask: Ask) -> None:
    assert sequences(house, ask, database_url=emptied_url) == CELLS


def test_measured_outcomes_over_tcp(house: Environments, tcp_url: str, ask: Ask) -> None:
    assert sequences(house, ask, database_url=tcp_url) == CELLS


def test_the_outcome_follows_the_strategy_not_its_name(
    house: Environments, emptied_url: str, ask: Ask
) -> None:
    """An outcome depends on the strategy's data, not on its name."""
    hidden = dict(zip(POOLS, [*list(POOLS)[1:], next(iter(POOLS))], strict=True))
    names = {strategy: name for name, strategy in hidden.items()}
    assert all(name != strategy for name, strategy in names.items())
    assert sequences(house, ask, database_url=emptied_url, names=names, renamed=hidden) == CELLS


@pytest.mark.parametrize(("cell", "expected"), LEFT.items())
def test_connections_left_after_twenty_invocations(
    house: Environments, emptied_url: str, ask: Ask, settled: Settled, cell: tuple[str, str], expected: int
) -> None:
    loop, pool = cell
    name = f"left-{loop}-{pool}"
    with house.warm(
        events(ask, 20, 1),
        collect=False,
        database_url=emptied_url,
        loop=loop,
        pool=pool,
        application_name=name,
    ) as answer:
        assert settled(name, expected) == expected
        if pool == "queue-recycle":
            assert answer["sockets"] == 20
    assert settled(name, 0) == 0


@pytest.mark.parametrize(("pool", "expected"), WITH_COLLECTOR.items())
def test_connections_left_with_the_garbage_collector(
    house: Environments, emptied_url: str, ask: Ask, settled: Settled, pool: str, expected: int
) -> None:
    name = f"collected-{pool}"
    with house.warm(
        events(ask, 20, 1),
        database_url=emptied_url,
        loop="run-per-invocation",
        pool=pool,
        application_name=name,
    ):
        assert settled(name, expected) == expected


class TestWhatAPersonSees:
    """Failures caused by stale connections are visible everywhere."""

    @pytest.fixture
    def answer(self, house: Environments, emptied_url: str, ask: Ask) -> Iterator[dict[str, Any]]:
        with house.warm(
            events(ask, 2, 3), database_url=emptied_url, pool="queue", loop="run-per-record"
        ) as answer:
            assert sequence(answer) == [".AB", B]
            yield answer

    def test_each_failed_record_is_logged_once_as_an_error(self, answer: dict[str, Any]) -> None:
        failed = [r["message_id"] for invocation in answer["invocations"] for r in invocation if r["error"]]
        errors = [line for line in answer["logs"] if line["level"] == "ERROR"]
        assert [line["message_id"] for line in errors] == failed
        assert [line["error_type"] for line in errors] == ["RuntimeError", *["InterfaceError"] * 4]

    def test_the_environment_warns_of_the_unsafe_pair_at_start(self, answer: dict[str, Any]) -> None:
        [warning] = [line for line in answer["logs"] if line["level"] == "WARNING"]
        assert "queue" in warning["text"]
        assert "run-per-record" in warning["text"]

    @pytest.mark.usefixtures("answer")
    def test_each_failure_is_written_on_its_ticket(self, ask: Ask) -> None:
        rows = ask("select status, coalesce(error, '-') from tickets order by id").splitlines()
        statuses, errors = zip(*(line.split("|") for line in rows), strict=True)
        assert statuses == ("processed", *["new"] * 5)
        assert errors[0] == "-"
        for error in errors[1:]:
            assert "belongs to a closed event loop" in error
            assert "TICKETCTL_POOL=null" in error
        assert "attached to a different loop" in errors[1]
        assert "another operation is in progress" in errors[2]

    @pytest.mark.usefixtures("answer")
    def test_each_attempt_is_recorded(self, ask: Ask) -> None:
        attempts = ask(
            "select attempt, outcome, ended_at is not null from attempts order by ticket_id"
        ).splitlines()
        assert attempts == ["1|processed|t", *["1|failed|t"] * 5]
