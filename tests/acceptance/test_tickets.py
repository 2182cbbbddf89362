"""The life of a ticket, command by command."""

import json
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tests.program import STYLE, ForkServer, Program, ProgramResult
from tests.unit.cli.test_output import HOSTILE

CHARGED = "I was charged twice for this month"
STEPS = ["classify", "extract", "route", "respond"]


@pytest.fixture
def home() -> Iterator[Path]:
    """A home that the embedded server's own account can enter."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        yield Path(folder, "home")


def test_a_forked_run_behaves_like_a_new_process(ticketctl: Program) -> None:
    for arguments, stdin in (
        (("create", "Fire", "--idempotency-key", "k", "--body-file", "-"), "Hölle\n".encode()),
        (("list",), b""),
        (("list", "--json"), b""),
        (("show", "0"), b""),
        (("create",), b""),
        (("create", b"\xff"), b""),
        (("process", "-"), b"{}"),
    ):
        forked = ticketctl(*arguments, stdin=stdin)
        started = ticketctl.run_in_new_process(*arguments, stdin=stdin)
        assert started._replace(err=started.err.replace("python -m ticketctl", "ticketctl")) == forked


def test_a_ticket_is_processed_on_the_embedded_server(
    environment: dict[str, str], home: Path, tmp_path: Path, imported: ForkServer
) -> None:
    """The whole way with real processes: what `event` prints is what `process` takes."""
    ticketctl = Program(environment | {"TICKETCTL_HOME": str(home)}, tmp_path, imported)
    assert ticketctl.run_in_new_process("create", CHARGED) == ProgramResult(0, "1\n")
    event = ticketctl.run_in_new_process("event", "--status", "new")
    (tmp_path / "event.json").write_text(event.out)
    processed = ticketctl.run_in_new_process("process", "event.json")
    assert processed.status == 0
    shown = ticketctl.run_in_new_process("show", "1", "--json").json
    assert shown["status"] == "processed"
    assert [step["step"] for step in shown["steps"]] == STEPS
    assert list(home.glob("postgres/postmaster.pid")) == []


class TestProcess:
    def test_show_lists_every_step(self, ticketctl: Program) -> None:
        number = ticketctl("create", CHARGED, "--requester", "ada@example.com").out.strip()
        done = ticketctl("process", "-", stdin=ticketctl("event", number).out)
        [fields] = [line.split("\t") for line in done.out.splitlines()]
        assert (fields[0], fields[2:]) == ("1", [number, "ok", "", ""])
        assert (done.status, done.err) == (0, "")
        lines = [line.split("\t") for line in ticketctl("show", number).out.splitlines()]
        facts = {name: value for name, value, *rest in lines if not rest}
        assert facts["status"] == "processed"
        assert facts["requester"] == "ada@example.com"
        assert all(facts[name] for name in ("category", "priority", "team", "draft", "confidence"))
        assert [line[1] for line in lines if line[0] == "step"] == STEPS
        [attempt] = [line for line in lines if line[0] == "try"]
        assert (attempt[1], attempt[3]) == ("1", "processed")

    def test_replaying_an_event_changes_nothing(self, ticketctl: Program, rows: Callable[[], str]) -> None:
        event = ticketctl("event", ticketctl("create", CHARGED).out.strip()).out
        ticketctl("process", "-", stdin=event)
        before = rows()
        assert ticketctl("process", "-", "--times", "3", stdin=event).status == 0
        assert rows() == before

    def test_json(self, ticketctl: Program) -> None:
        number = int(ticketctl("create", CHARGED).out)
        event = json.loads(ticketctl("event", str(number)).out)
        event["Records"].append({"messageId": "bad", "body": "?"})
        done = ticketctl("process", "-", "--json", "--times", "2", stdin=json.dumps(event))
        assert done.status == 8
        assert (done.json["pool"], done.json["loop"]) == ("null", "run-per-invocation")
        first, second = done.json["invocations"]
        assert [first["number"], second["number"]] == [1, 2]
        assert first["outcome"] == second["outcome"] == "partial"
        assert first["response"] == {"batchItemFailures": [{"itemIdentifier": "bad"}]}
        good, bad = first["records"]
        message_id = event["Records"][0]["messageId"]
        assert good == {
            "message_id": message_id,
            "ticket_id": number,
            "outcome": "ok",
            "error_type": None,
            "error": None,
        }
        assert (bad["message_id"], bad["ticket_id"], bad["outcome"]) == ("bad", None, "failed")
        assert bad["error_type"] == "RecordError"

    @pytest.mark.parametrize("chosen", ["options", "environment"])
    def test_an_unsafe_pair_is_warned_of_and_fails(
        self, ticketctl: Program, ask: Callable[[str], str], chosen: str
    ) -> None:
        for subject in (CHARGED, "The app crashes"):
            ticketctl("create", subject)
        event = ticketctl("event", "--status", "new").out
        if chosen == "options":
            options = ("--pool", "queue", "--loop", "run-per-record")
            done = ticketctl("process", "-", "--json", *options, stdin=event)
        else:
            unsafe = ticketctl.with_env(TICKETCTL_POOL="queue", TICKETCTL_LOOP="run-per-record")
            done = unsafe("process", "-", "--json", stdin=event)
        assert done.status == 8
        assert done.err.startswith("warning: the pool queue keeps connections")
        assert done.err.splitlines()[-2].startswith("error: 1 of 2 records failed")
        records = done.json["invocations"][0]["records"]
        assert [record["error_type"] for record in records] == [None, "RuntimeError"]
        assert "attached to a different loop" in records[1]["error"]
        assert "fix: set TICKETCTL_POOL=null" in ask("select error from tickets where error is not null")

    def test_a_ticket_leased_elsewhere_is_left_alone(
        self, ticketctl: Program, ask: Callable[[str], str]
    ) -> None:
        event = ticketctl("event", ticketctl("create", CHARGED).out.strip()).out
        ask(
            "update tickets set status = 'processing', lease_token = gen_random_uuid(), "
            "lease_until = now() + interval '1 hour'"
        )
        done = ticketctl("process", "-", stdin=event)
        assert done.status == 8
        assert "another worker has ticket" in done.out


class TestEvent:
    def test_an_event_looks_like_one_from_aws(self, ticketctl: Program) -> None:
        number = ticketctl("create", "Fire").out.strip()
        [record] = ticketctl("event", number).json["Records"]
        assert json.loads(record["body"]) == {"ticket_id": int(number)}
        assert record["eventSource"] == "aws:sqs"
        assert set(record["attributes"]) == {
            "ApproximateReceiveCount",
            "SentTimestamp",
            "SenderId",
            "ApproximateFirstReceiveTimestamp",
        }

    def test_an_event_by_status_holds_the_oldest_tickets(self, ticketctl: Program) -> None:
        numbers = [int(ticketctl("create", subject).out) for subject in ("one", "two", "three")]
        event = ticketctl("event", "--status", "new", "--limit", "2").json
        assert [json.loads(record["body"])["ticket_id"] for record in event["Records"]] == numbers[:2]

    def test_an_event_keeps_the_order_of_the_ids(self, ticketctl: Program) -> None:
        numbers = [int(ticketctl("create", subject).out) for subject in ("one", "two")]
        event = ticketctl("event", str(numbers[1]), str(numbers[0]), str(numbers[1])).json
        assert [json.loads(record["body"])["ticket_id"] for record in event["Records"]] == [
            numbers[1],
            numbers[0],
            numbers[1],
        ]
        assert len({record["messageId"] for record in event["Records"]}) == 3


class TestList:
    @pytest.fixture
    def tickets(self, ticketctl: Program) -> list[int]:
        return [int(ticketctl("create", f"ticket {n}", "--requester", "a@b.c").out) for n in range(3)]

    def test_piped_list_is_one_line_per_ticket_without_a_header(
        self, ticketctl: Program, tickets: list[int]
    ) -> None:
        lines = [line.split("\t") for line in ticketctl("list").out.splitlines()]
        assert [int(fields[0]) for fields in lines] == tickets[::-1]
        assert {len(fields) for fields in lines} == {9}
        fields = lines[0]
        assert (fields[1], fields[6], fields[8]) == ("new", "a@b.c", "ticket 2")
        assert fields[7].endswith("+00:00")

    def test_fields_choose_the_columns_of_every_form(self, ticketctl: Program, tickets: list[int]) -> None:
        chosen = ("list", "--fields", "subject,id,team,set_by_human", "--limit", "1")
        assert ticketctl(*chosen).out == f"ticket 2\t{tickets[2]}\t\t[]\n"
        form = ticketctl(*chosen, "--json").json
        assert form["tickets"] == [
            {"subject": "ticket 2", "id": tickets[2], "team": None, "set_by_human": []}
        ]
        assert form["total"] == 3
        header = STYLE.sub("", ticketctl.on_terminal(*chosen).out).splitlines()[0]
        assert header.split() == ["SUBJECT", "ID", "TEAM", "SET_BY_HUMAN"]
        unknown = ticketctl("list", "--fields", "id,nonsense")
        assert (unknown.status, "'nonsense' is not one of id, subject, body," in unknown.err) == (2, True)

    def test_json_pages_follow_each_other_by_cursor(self, ticketctl: Program, tickets: list[int]) -> None:
        first = ticketctl("list", "--limit", "2", "--json").json
        assert set(first) == {"tickets", "next_cursor", "total"}
        assert first["total"] == 3
        second = ticketctl("list", "--limit", "2", "--json", "--after", first["next_cursor"]).json
        assert second["next_cursor"] is None
        assert [ticket["id"] for ticket in first["tickets"] + second["tickets"]] == tickets[::-1]

    @pytest.mark.usefixtures("tickets")
    def test_list_filters(self, ticketctl: Program) -> None:
        assert len(ticketctl("list", "--search", "ticket 1").out.splitlines()) == 1
        assert len(ticketctl("list", "--since", "1h", "--status", "new").out.splitlines()) == 3
        assert ticketctl("list", "--since", "2999-01-01") == ProgramResult(0, "")
        assert ticketctl("list", "--category", "none") == ProgramResult(0, "")


class TestCreate:
    def test_json_of_create_is_the_ticket(self, ticketctl: Program) -> None:
        made = ticketctl("create", "Fire", "--body", "Help", "--json").json
        assert (made["subject"], made["body"], made["status"]) == ("Fire", "Help", "new")
        assert made["created_at"].endswith(("Z", "+00:00"))
        shown: dict[str, Any] = ticketctl("show", str(made["id"]), "--json").json
        assert {name: shown[name] for name in made} == made
        assert (shown["steps"], shown["attempts"]) == ([], [])

    def test_the_body_from_stdin_or_a_file_is_kept_unchanged(self, ticketctl: Program) -> None:
        body = HOSTILE.replace("\0", "") + "\n\n  end\n"
        (ticketctl.folder / "body.txt").write_bytes(body.encode())
        for source in ("-", "body.txt"):
            made = ticketctl("create", "x", "--body-file", source, "--json", stdin=body).json
            assert made["body"] == body

    def test_the_body_is_read_from_a_pipe_or_a_redirected_file(self, ticketctl: Program) -> None:
        assert ticketctl("create", "x", "--json", stdin="from stdin\n").json["body"] == "from stdin\n"
        (ticketctl.folder / "body.txt").write_text("from a file")
        for line in ("create x --json <body.txt", "create x --json --body given </dev/null"):
            body = json.loads(ticketctl.in_shell(line).out)["body"]
            assert body == ("given" if "given" in line else "from a file")
        assert json.loads(ticketctl.in_shell("create x --json </dev/null").out)["body"] == ""

    def test_an_id_may_begin_with_a_hash_sign(self, ticketctl: Program) -> None:
        number = ticketctl("create", "Fire").out.strip()
        assert ticketctl("show", f"#{number}", "--json") == ticketctl("show", number, "--json")
        for text in ("#", "##1", "x", "1x"):
            assert f"'{text}' is not the number of a ticket, such as 7 or #7" in ticketctl("show", text).err

    def test_a_closed_ticket_stays_closed(self, ticketctl: Program) -> None:
        number = ticketctl("create", "Fire").out.strip()
        assert ticketctl("close", number) == ProgramResult(0, f"{number}\n")
        assert ticketctl("close", number, "--json").json["status"] == "closed"
        event = ticketctl("event", number).out
        assert ticketctl("process", "-", stdin=event).status == 0
        assert ticketctl("show", number, "--json").json["status"] == "closed"


def test_version(ticketctl: Program) -> None:
    assert ticketctl.run_in_new_process("--version") == ProgramResult(
        0, f"ticketctl {version('ticketctl')}\n"
    )


def test_help(ticketctl: Program) -> None:
    for arguments in (("--help",), ("create", "-h"), ("db", "--help")):
        done = ticketctl(*arguments)
        assert (done.status, done.err) == (0, "")
        assert "Usage: ticketctl" in done.out


def test_sigint_while_reading_stdin_ends_the_program(ticketctl: Program) -> None:
    with ticketctl.popen(
        "create",
        "x",
        "--body-file",
        "-",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin
        process.stdin.write(b"y" * 200_000)  # more than a pipe holds: once it is written, somebody reads
        process.stdin.flush()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert (process.returncode, out, err) == (130, b"", b"interrupted\n")


def test_two_upgrades_at_once_take_turns(
    ticketctl: Program, empty_database_url: str, sql: Callable[..., str]
) -> None:
    empty = ticketctl.with_env(TICKETCTL_DATABASE_URL=empty_database_url)
    both = [empty.popen("db", "upgrade", stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    ended = [(process.communicate(), process.returncode) for process in both]
    revision = sql("select version_num from alembic_version", empty_database_url)
    assert ended == [((f"{revision}\n".encode(), b""), 0)] * 2


class TestPipe:
    @pytest.mark.parametrize("arguments", [("list", "--limit", "1000"), ("export",)])
    def test_a_reader_that_leaves_is_not_an_error(
        self, ticketctl: Program, ask: Callable[[str], str], arguments: tuple[str, ...]
    ) -> None:
        ask("insert into tickets (subject) select repeat('x', 500) from generate_series(1, 1000)")
        with ticketctl.popen(*arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout
            assert process.stderr
            assert process.stdout.readline().endswith(b"\n")
            process.stdout.close()
            assert process.stderr.read() == b""
        assert process.returncode == 141

    def test_head_gets_one_line(self, ticketctl: Program, ask: Callable[[str], str]) -> None:
        ask("insert into tickets (subject) select repeat('x', 500) from generate_series(1, 1000)")
        done = ticketctl.in_shell("list --limit 1000 | head -1")
        assert done.out.count("\n") == 1
        assert done.err == ""
