"""What bad input gets: one line and a hint on stderr, its own exit status, nothing on stdout, nothing written."""

import json
import os
import re
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.program import Program, ProgramResult
from ticketctl.event_loops import LOOPS
from ticketctl.postgres.pools import POOLS

SECRET = "hunter2"  # noqa: S105 - the tests look for it where it must not be
USAGE, NOT_FOUND, CONFIG, DATABASE, FAILED = 2, 3, 4, 5, 8
TOLD = re.compile(r"error: [^\n]+\nhint: [^\n]+\n")


def record(**changes: Any) -> dict[str, Any]:
    return {"messageId": "m-1", "body": '{"ticket_id": 1}', "attributes": {}} | changes


def event(*records: object) -> str:
    return json.dumps({"Records": records})


def refused(done: ProgramResult, status: int, text: str) -> None:
    assert done.out == ""
    assert TOLD.fullmatch(done.err), done.err
    assert text in done.err
    assert done.status == status
    assert SECRET not in done.err


EVENTS: list[tuple[str | bytes, str]] = [
    ("", "is not JSON"),
    ("Records:", "is not JSON"),
    ('{"Records": [', "is not JSON"),
    (b'{"Records": "\xff"}', "not UTF-8"),
    (b"\xff\xfe{\0}\0", "not UTF-8"),
    ("[" * 100_000, "is not JSON"),
    ("9" * 10_000, "is not JSON"),
    ("7", "not an SQS event"),
    ("null", "not an SQS event"),
    ("[]", "not an SQS event"),
    ("{}", "not an SQS event"),
    ('{"Records": {}}', "not an SQS event"),
    ('{"Records": []}', "without Records"),
    ('{"Records": [7]}', "record 1 has no messageId"),
    ('{"Records": [{"messageId": null, "body": "{}"}]}', "record 1 has no messageId"),
    ('{"Records": [{"eventSource": "aws:kinesis"}]}', "this is a Kinesis event"),
]


@pytest.mark.parametrize(("content", "text"), EVENTS, ids=[repr(content[:12]) for content, _ in EVENTS])
def test_process_refuses_input_that_is_not_an_event(
    ticketctl: Program, rows: Callable[[], str], content: str | bytes, text: str
) -> None:
    before = rows()
    refused(ticketctl("process", "-", stdin=content), USAGE, text)
    assert rows() == before


def test_process_refuses_an_event_file_that_cannot_be_read(ticketctl: Program) -> None:
    refused(ticketctl("process", "none.json"), USAGE, "none.json cannot be read: No such file")
    refused(ticketctl("process", "."), USAGE, "cannot be read: Is a directory")
    (ticketctl.folder / "bad.json").write_text("?")
    refused(ticketctl("process", "bad.json"), USAGE, "bad.json is not JSON")
    if os.geteuid() != 0:  # root may read everything
        (ticketctl.folder / "bad.json").chmod(0)
        refused(ticketctl("process", "bad.json"), USAGE, "cannot be read: Permission denied")


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        (record(body="?"), "not a ticket message"),
        (record(body='{"ticket_id": true}'), "not a ticket message"),
        (record(body='{"ticket_id": -1}'), "not a ticket message"),
        (record(body=f'{{"ticket_id": {2**63}}}'), "not a ticket message"),
        (record(body='{"ticket_id": "\\u0000"}'), "not a ticket message"),
        (record(body=None), "no body"),
        (record(body=f'{{"ticket_id": {2**63 - 1}}}'), f"there is no ticket {2**63 - 1}"),
    ],
)
def test_a_bad_record_fails_without_its_neighbours(
    ticketctl: Program, ask: Callable[[str], str], bad: object, text: str
) -> None:
    good = int(ticketctl("create", "I was charged twice").out)
    sent = event(bad, record(messageId="m-2", body=f'{{"ticket_id": {good}}}'))
    done = ticketctl("process", "-", stdin=sent)
    assert done.status == FAILED
    assert TOLD.fullmatch(done.err)
    assert "1 of 2 records failed" in done.err
    failed, succeeded = (line.split("\t") for line in done.out.splitlines())
    assert failed[3] == "failed"
    assert text in failed[5]
    assert succeeded == ["1", "m-2", str(good), "ok", "", ""]
    assert ask("select status from tickets") == "processed"


CREATE: list[tuple[tuple[str | bytes, ...], str | bytes, str]] = [
    (("",), b"", "the subject is empty"),
    ((" \t ",), b"", "the subject is empty"),
    (("x" * 501,), b"", "the subject has 501 characters"),
    (("😀" * 501,), b"", "the subject has 501 characters"),
    ((b"\xff",), b"", "the subject is not valid text"),
    (("x", "--body-file", "-"), b"\xff", "stdin is not UTF-8"),
    (("x", "--body-file", "-"), b"a\0b", "the body has a NUL character"),
    (("x", "--body-file", "-"), b"y" * 200_001, "the body has 200,001 characters"),
    (("x", "--body-file", "none.txt"), b"", "none.txt cannot be read"),
    (("x", "--body", "y", "--body-file", "-"), b"", "both given"),
    (("x", "--requester", "nobody"), b"", "not an e-mail address"),
    (("x", "--idempotency-key", ""), b"", "idempotency key is empty"),
    ((), b"", "the subject is missing"),
]


@pytest.mark.parametrize(("arguments", "stdin", "text"), CREATE)
def test_create_refuses_invalid_tickets(
    ticketctl: Program,
    rows: Callable[[], str],
    arguments: tuple[str | bytes, ...],
    stdin: str | bytes,
    text: str,
) -> None:
    refused(ticketctl("create", *arguments, stdin=stdin), USAGE, text)
    assert rows() == ""


def test_create_refuses_other_content_under_the_same_key(ticketctl: Program, rows: Callable[[], str]) -> None:
    first = ticketctl("create", "Fire", "--idempotency-key", "k")
    before = rows()
    assert ticketctl("create", "Fire", "--idempotency-key", "k") == first
    refused(ticketctl("create", "Water", "--idempotency-key", "k"), USAGE, "which has other content")
    assert rows() == before


@pytest.mark.parametrize("command", ["show", "close", "event"])
@pytest.mark.parametrize(
    ("number", "status", "text"),
    [
        ("7", NOT_FOUND, "there is no ticket 7"),
        ("0", NOT_FOUND, "there is no ticket 0"),
        ("-1", NOT_FOUND, "there is no ticket -1"),
        (str(2**63), NOT_FOUND, f"there is no ticket {2**63}"),
        ("true", USAGE, "'true' is not"),
        ("1.5", USAGE, "'1.5' is not"),
    ],
)
def test_commands_report_a_ticket_that_does_not_exist(
    ticketctl: Program, command: str, number: str, status: int, text: str
) -> None:
    refused(ticketctl(command, "--", number), status, text)


@pytest.mark.parametrize("number", ["7", "0", "-1", str(2**63)])
def test_retry_reports_tickets_that_do_not_exist(ticketctl: Program, number: str) -> None:
    refused(ticketctl("retry", "--", number), NOT_FOUND, f"there is no ticket {number}")


CALLS: list[tuple[tuple[str, ...], str]] = [
    (("event",), "name tickets, or a status"),
    (("event", "1", "--status", "new"), "name tickets, or a status"),
    (("event", "--status", "bogus"), "'bogus' is not one of new, processing,"),
    (("event", "--status", "new"), "no ticket is new"),
    (("event", "--status", "new", "--limit", "0"), "cannot have 0 tickets"),
    (("list", "--status", "bogus"), "'bogus' is not one of new, processing,"),
    (("list", "--priority", "bogus"), "'bogus' is not one of low, normal, high, urgent"),
    (("list", "--sort", "body"), "'body' is not one of -created, created"),
    (("list", "--limit", "0"), "cannot have 0 tickets"),
    (("list", "--limit", "1001"), "cannot have 1001 tickets"),
    (("list", "--since", "yesterday"), "since cannot be 'yesterday'"),
    (("list", "--since", "0001-01-01T00:00+14:00"), "since cannot be"),
    (("list", "--after", "nonsense"), "the cursor"),
    (("list", "--search", "!!!"), "no words"),
    (("list", "--search", "x" * 1001), "the search has 1,001 characters"),
    (("process", "-", "--times", "0"), "0 is less than 1"),
    (("process", "-", "--times", "many"), "'many' is not a whole number"),
    (("process", "-", "--pool", "puddle"), ", ".join(POOLS)),
    (("process", "-", "--loop", "knot"), ", ".join(LOOPS)),
    (("process",), "missing argument"),
    (("process", "-", "--bogus"), "no such option"),
    (("show",), "missing argument"),
    (("bogus",), "there is no command 'bogus'"),
    (("lst",), "did you mean list or set?"),
]


@pytest.mark.parametrize(("arguments", "text"), CALLS, ids=[" ".join(a)[:40] for a, _ in CALLS])
def test_wrong_calls_are_explained(ticketctl: Program, arguments: tuple[str, ...], text: str) -> None:
    refused(ticketctl(*arguments), USAGE, text)


def test_list_refuses_a_changed_cursor(ticketctl: Program) -> None:
    for subject in ("one", "two"):
        ticketctl("create", subject)
    cursor = ticketctl("list", "--limit", "1", "--json").json["next_cursor"]
    assert ticketctl("list", "--after", cursor).out.endswith("\tone\n")
    refused(ticketctl("list", "--after", cursor[:-1]), USAGE, "cursor")
    refused(ticketctl("list", "--after", cursor, "--sort", "created"), USAGE, "made for the order -created")


@pytest.mark.parametrize(
    ("variable", "value", "text"),
    [
        ("TICKETCTL_POOL", "puddle", ", ".join(POOLS)),
        ("TICKETCTL_LOOP", "knot", ", ".join(LOOPS)),
        ("TICKETCTL_MAX_CONNECTIONS", "0", "TICKETCTL_MAX_CONNECTIONS"),
        ("TICKETCTL_STORE_TIMEOUT", "soon", "TICKETCTL_STORE_TIMEOUT"),
        ("TICKETCTL_CONFIG", "none.toml", "there is no file none.toml"),
        ("TICKETCTL_DATABASE_URL", f"mysql://ada:{SECRET}@host/db", "must start with postgresql://"),
        ("TICKETCTL_DATABASE_URL", f"postgresql://ada:{SECRET}/x@host/db", "cannot be read"),
        ("TICKETCTL_DATABASE_URL", f"postgresql://ada:{SECRET}@host/db?sslmode=maybe", "verify-full"),
    ],
)
def test_a_wrong_setting_is_named(
    ticketctl: Program, rows: Callable[[], str], variable: str, value: str, text: str
) -> None:
    number = ticketctl("create", "Fire").out.strip()
    before = rows()
    sent = ticketctl("event", number).out
    refused(ticketctl.with_env(**{variable: value})("process", "-", stdin=sent), CONFIG, text)
    assert rows() == before


@pytest.mark.parametrize(
    ("variable", "suggestion"),
    [
        ("TICKETCTL_POL", "did you mean TICKETCTL_POOL?"),
        ("TICKETCTL_AI_API_KEYS", "did you mean TICKETCTL_AI_API_KEY?"),
        ("TICKETCTL_ZZZZZZZZZZZZZZZZZZZZ", "ticketctl config show lists the settings"),
    ],
)
def test_a_misspelt_variable_is_warned_of(ticketctl: Program, variable: str, suggestion: str) -> None:
    done = ticketctl.with_env(**{variable: SECRET})("list")
    expected = f"warning: the environment variable {variable} is not a setting; {suggestion}\n"
    assert (done.status, done.err) == (0, expected)


def test_an_unknown_setting_in_the_file_is_named(ticketctl: Program) -> None:
    (ticketctl.folder / "ticketctl.toml").write_text("pol = 'queue'\n")
    refused(ticketctl("list"), CONFIG, "unknown setting pol")


def test_embedded_server_is_refused_if_a_database_is_configured(ticketctl: Program) -> None:
    for command in ("start", "stop"):
        refused(ticketctl("db", command), CONFIG, "TICKETCTL_DATABASE_URL names a database")


class TestDatabase:
    @pytest.fixture
    def closed_port(self) -> Iterator[int]:
        """A port that nobody listens on, and nobody else gets."""
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            yield taken.getsockname()[1]

    @pytest.mark.parametrize(
        "command", [("list",), ("create", "Fire"), ("show", "1"), ("process", "-"), ("db", "upgrade")]
    )
    def test_an_unreachable_database_is_reported(
        self, ticketctl: Program, closed_port: int, command: tuple[str, ...]
    ) -> None:
        url = f"postgresql://ada:{SECRET}@127.0.0.1:{closed_port}/db"
        done = ticketctl.with_env(TICKETCTL_DATABASE_URL=url)(*command, stdin=event(record()))
        refused(done, DATABASE, f"127.0.0.1:{closed_port}/db cannot be reached")

    def test_a_refusing_database_is_reported(self, ticketctl: Program, server: str) -> None:
        url = server.replace("/ticketctl?", "/nowhere?")
        done = ticketctl.with_env(TICKETCTL_DATABASE_URL=url)("list")
        refused(done, DATABASE, 'database "nowhere" does not exist')

    @pytest.mark.parametrize("command", [("list",), ("create", "Fire"), ("process", "-")])
    def test_missing_tables_are_reported(
        self, ticketctl: Program, empty_database_url: str, command: tuple[str, ...]
    ) -> None:
        done = ticketctl.with_env(TICKETCTL_DATABASE_URL=empty_database_url)(*command, stdin=event(record()))
        refused(done, DATABASE, "ticketctl db upgrade")

    def test_tables_of_another_version_are_reported(
        self, ticketctl: Program, database_url: str, sql: Callable[..., str]
    ) -> None:
        stale = ticketctl.with_env(TICKETCTL_DATABASE_URL=database_url)
        sql("update alembic_version set version_num = '0000'", database_url)
        refused(stale("create", "Fire"), DATABASE, "ticketctl db upgrade")
        sql("update alembic_version set version_num = '9999'", database_url)
        refused(stale("create", "Fire"), DATABASE, "install a newer ticketctl")
        refused(stale("db", "upgrade"), DATABASE, "install a newer ticketctl")
        assert sql("select count(*) from tickets", database_url) == "0"


class TestDyingInTheMiddle:
    """The server ends the connection while it works on a statement."""

    @pytest.fixture
    def dying(
        self, ticketctl: Program, database_url: str, sql: Callable[..., str]
    ) -> Callable[[str], Program]:
        """The program on a database that kills whoever writes into a table."""

        def kill(table: str) -> Program:
            sql(
                "create function die() returns trigger language plpgsql as "
                "$$ begin perform pg_terminate_backend(pg_backend_pid()); return new; end $$; "
                f"create trigger die before insert on {table} for each row execute function die()",
                database_url,
            )
            return ticketctl.with_env(TICKETCTL_DATABASE_URL=database_url)

        return kill

    @pytest.mark.parametrize("table", ["tickets", "messages"])
    def test_a_failing_create_writes_neither_ticket_nor_message(
        self, dying: Callable[[str], Program], database_url: str, sql: Callable[..., str], table: str
    ) -> None:
        refused(
            dying(table)("create", "Fire"), DATABASE, "terminating connection due to administrator command"
        )
        assert (
            sql("select (select count(*) from tickets), (select count(*) from messages)", database_url)
            == "0|0"
        )

    def test_a_failing_record_is_reported_on_its_ticket(
        self, dying: Callable[[str], Program], database_url: str, sql: Callable[..., str]
    ) -> None:
        ticketctl = dying("steps")
        number = ticketctl("create", "I was charged twice").out.strip()
        done = ticketctl("process", "-", stdin=ticketctl("event", number).out)
        assert done.status == FAILED
        assert TOLD.fullmatch(done.err)
        assert "terminating connection" in done.out
        told = sql("select status, category, error from tickets", database_url)
        assert told.startswith("new||")
        assert "terminating connection" in told
        assert sql("select count(*) from steps", database_url) == "0"


def test_debug_prints_the_traceback(ticketctl: Program) -> None:
    done = ticketctl("--debug", "show", "7")
    assert (done.status, done.out) == (NOT_FOUND, "")
    assert "Traceback" in done.err
    assert TOLD.fullmatch("".join(done.err.splitlines(keepends=True)[-2:]))
