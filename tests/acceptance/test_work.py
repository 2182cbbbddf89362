"""`work` and what an operator does around it, by the real program."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.program import Program

Ask = Callable[[str], str]
FILL = """
with made as (
  insert into tickets (subject) select 'Order ' || n || ' did not arrive' from generate_series(1, {number}) n returning id
)
insert into messages (ticket_id, body) select id, format('{{"ticket_id": %s}}', id) from made
"""


def wait_until(ask: Ask, condition: str) -> None:
    deadline = time.monotonic() + 60
    while ask(f"select {condition}") != "t":
        assert time.monotonic() < deadline, f"it never came to be that {condition}"
        time.sleep(0.05)


def test_drain_processes_all_tickets_and_prints_each_message(ticketctl: Program, ask: Ask) -> None:
    for subject in ("Charged twice", "Where is my order?"):
        assert ticketctl("create", subject).status == 0
    done = ticketctl.run_in_new_process("work", "--drain")
    assert done.status == 0, done.err
    lines = [line.split("\t") for line in done.out.splitlines()]
    assert [(outcome, delivery) for outcome, _, _, delivery, _ in lines] == [("done", "1")] * 2
    assert ask("select count(*) from tickets where status in ('processed', 'needs_review')") == "2"
    assert ask("select count(*) from messages") == "0"


def test_json_of_work_is_one_line_per_message(ticketctl: Program) -> None:
    ticketctl("create", "Charged twice")
    done = ticketctl.run_in_new_process("work", "--drain", "--json")
    (line,) = done.out.splitlines()
    told = json.loads(line)
    assert (told["outcome"], told["receive_count"], told["error"]) == ("done", 1, None)


def test_a_reader_that_leaves_ends_work_quietly(ticketctl: Program, ask: Ask) -> None:
    ask(FILL.format(number=30))
    done = ticketctl.in_shell("work --drain --batch-size 1 2>errors | head -1; cat errors >&2")
    assert len(done.out.splitlines()) == 1
    assert "error" not in [line.partition(":")[0] for line in done.err.splitlines()]


def test_a_terminal_shows_progress_on_one_line(ticketctl: Program) -> None:
    ticketctl("create", "Charged twice")
    done = ticketctl.on_terminal("work", "--drain")
    assert done.status == 0
    assert "1 done, 0 returned, 0 dead letters, 0 in flight" in done.out


def test_a_foreign_message_becomes_a_dead_letter_and_can_be_purged(ticketctl: Program, ask: Ask) -> None:
    ask("insert into messages (ticket_id, body) values (77, 'nonsense')")
    done = ticketctl.run_in_new_process("work", "--drain", "--max-receive-count", "2")
    assert done.status == 8
    assert [line.split("\t")[0] for line in done.out.splitlines()] == ["dead"]
    assert "error: 1 of 1 messages became dead letters" in done.err
    (letter,) = ticketctl("dlq", "list", "--json").json["dead_letters"]
    assert (letter["ticket_id"], letter["body"]) == (None, "nonsense")
    redriven = ticketctl("dlq", "redrive", letter["message_id"])
    assert (redriven.status, redriven.out) == (0, "0\n")
    assert "names no ticket" in redriven.err
    assert ticketctl("dlq", "purge", "--all").out == "1\n"
    assert ticketctl("dlq", "list").out == ""


def test_failed_tickets_are_queued_again_by_redrive_and_retry(ticketctl: Program, ask: Ask) -> None:
    ids = [ticketctl("create", f"Order {n} did not arrive").out.strip() for n in range(3)]
    ask("update messages set receive_count = 5; update tickets set attempt = 5, error = 'no luck'")
    ask(
        "insert into attempts (ticket_id, attempt, message_id, receive_count, ended_at, outcome) "
        "select ticket_id, 5, cast(message_id as text), 5, now(), 'failed' from messages"
    )
    ticketctl.run_in_new_process("work", "--drain")
    assert ask("select distinct status from tickets") == "failed"
    letters = ticketctl("dlq", "list", "--json").json["dead_letters"]
    assert [letter["reason"] for letter in letters] == ["no luck"] * 3
    (letter,) = (letter for letter in letters if str(letter["ticket_id"]) == ids[0])
    assert ticketctl("dlq", "redrive", letter["message_id"]).out == "1\n"
    assert ticketctl("retry", ids[1]).out == f"{ids[1]}\n"
    assert ticketctl("retry", "--failed").out == f"{ids[2]}\n"
    assert ticketctl("dlq", "list").out == ""
    assert ticketctl.run_in_new_process("work", "--drain").status == 0
    assert ask("select count(*) from tickets where status in ('processed', 'needs_review')") == "3"


def test_list_stuck_explains_a_ticket_without_a_worker(ticketctl: Program) -> None:
    made = ticketctl("create", "Anybody there?").out.strip()
    assert ticketctl("list", "--stuck").out == ""
    (line,) = ticketctl("list", "--stuck", "--older-than", "0s").out.splitlines()
    number, status, _, reason, subject = line.split("\t")
    assert (number, status, subject) == (made, "new", "Anybody there?")
    assert reason.startswith("no worker has polled")
    (ticket,) = ticketctl("list", "--stuck", "--older-than", "0s", "--json").json["tickets"]
    assert (ticket["id"], ticket["stuck_reason"]) == (int(made), reason)


def test_stats_write_a_page(ticketctl: Program, tmp_path: Path) -> None:
    ticketctl("create", "Where is my <b>refund</b>?")
    page = tmp_path / "stats.html"
    done = ticketctl("stats", "--html", str(page))
    assert (done.status, done.err) == (0, "")
    assert "tickets\tnew\t1" in done.out
    assert page.read_text().startswith("<!doctype html>")
    for arguments in (("--watch",), ("--accuracy",)):
        assert ticketctl("stats", "--html", str(page), *arguments).status == 2
    refused = ticketctl("stats", "--html", str(tmp_path / "none" / "stats.html"))
    assert refused.status == 2
    assert "is not a file in an existing folder" in refused.err


def test_stats_count_tickets_and_steps(ticketctl: Program) -> None:
    ticketctl("create", "Charged twice")
    ticketctl.run_in_new_process("work", "--drain")
    ticketctl("create", "Charged thrice")
    stats = ticketctl("stats", "--json").json
    assert stats["tickets"]["new"] == 1
    assert sum(stats["tickets"].values()) == 2
    assert stats["oldest_new"] is not None
    assert [step["step"] for step in stats["steps"]] == ["classify", "extract", "route", "respond"]
    assert all(step["runs"] == 1 for step in stats["steps"])
    assert stats["queue"] == {"messages": 1, "dead_letters": 0}
    assert "tickets\tnew\t1" in ticketctl("stats").out.splitlines()


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["retry"], 2, "name tickets, or filters with --all"),
        (["retry", "1", "--failed"], 2, "--failed and --stuck choose the tickets themselves"),
        (["retry", "424242"], 3, "there is no ticket 424242"),
        (["retry", "--stuck", "--older-than", "soon"], 2, "--older-than cannot be 'soon'"),
        (["dlq", "redrive"], 2, "name dead letters, or --all"),
        (["dlq", "purge", "nothing"], 3, "there is no dead letter nothing"),
        (["dlq", "show", "nothing"], 3, "there is no dead letter nothing"),
        (["work", "--window", "-1"], 4, "the setting window"),
        (["work", "--visibility-timeout", "0"], 4, "the setting visibility_timeout"),
    ],
)
def test_bad_input_gets_one_error_line_and_a_hint(
    ticketctl: Program, arguments: list[str], status: int, message: str
) -> None:
    done = ticketctl(*arguments)
    assert (done.status, done.out) == (status, "")
    assert message in done.err.splitlines()[0]
    assert done.err.splitlines()[1].startswith("hint: ")


@pytest.mark.parametrize(
    ("url", "status"),
    [("nonsense", 4), ("http://127.0.0.1:9/123456789012/tickets", 6)],
)
def test_an_unusable_queue_ends_work_and_delays_create(
    ticketctl: Program, ask: Ask, url: str, status: int
) -> None:
    elsewhere = ticketctl.with_env(
        TICKETCTL_QUEUE_URL=url,
        AWS_ACCESS_KEY_ID="testing",
        AWS_SECRET_ACCESS_KEY="testing",  # noqa: S106 - for a server that is not there
    )
    done = elsewhere("work", "--drain")
    assert (done.status, done.out) == (status, "")
    assert done.err.splitlines()[-2].startswith("error: ")
    if status == 6:
        made = elsewhere("create", "Accepted all the same")
        assert made.status == 0
        assert "waits in the outbox" in made.err
        assert ask("select count(*) from messages") == "1"
        assert elsewhere("outbox", "status").out == "1\n"
        assert elsewhere("outbox", "flush").status == 6


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_lets_messages_in_flight_finish(
    ticketctl: Program, ask: Ask, number: signal.Signals
) -> None:
    ask(FILL.format(number=300))
    with ticketctl.popen("work", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as work:
        wait_until(ask, "exists(select from tickets where processed_at is not null)")
        work.send_signal(number)
        out, err = work.communicate(timeout=60)
    assert work.returncode == 0, err
    assert b"finishing what is in flight" in err
    processed = int(ask("select count(*) from tickets where processed_at is not null"))
    assert len(out.splitlines()) == processed
    assert ask("select count(*) from tickets where status = 'processing'") == "0"
    assert ask("select count(*) from messages") == str(300 - processed)


def test_the_second_signal_stops_at_once_and_the_next_worker_continues(ticketctl: Program, ask: Ask) -> None:
    ask(FILL.format(number=300))
    hurried = ticketctl.with_env(TICKETCTL_FUNCTION_TIMEOUT="5", TICKETCTL_VISIBILITY_TIMEOUT="6")
    with hurried.popen("work", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as work:
        wait_until(ask, "exists(select from tickets where processed_at is not null)")
        os.kill(work.pid, signal.SIGSTOP)
        work.send_signal(signal.SIGTERM)
        os.kill(work.pid, signal.SIGCONT)
        with suppress(ProcessLookupError):
            work.send_signal(signal.SIGINT)
        work.communicate(timeout=60)
    assert work.returncode == 130
    assert hurried.run_in_new_process("work", "--drain").status == 0
    assert ask("select count(*) from tickets where processed_at is not null") == "300"
    assert ask("select count(*) from messages") == "0"
