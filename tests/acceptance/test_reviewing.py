"""A person's word, through the program: set, approve, reject, review, route; and another run that respects it."""

import fcntl
import json
import os
import pty
import re
import struct
import termios
from collections.abc import Callable
from contextlib import suppress

import pytest

from tests.program import STYLE, Program

UNSURE = ("It is broken somehow", "--body", "we have seen it twice")
SURE = ("I was charged twice for invoice 4711", "--body", "Please refund 12.50 EUR.")
TOLD = re.compile(r"error: [^\n]+\nhint: [^\n]+\n")


def run(ticketctl: Program, *subject: str) -> str:
    """Create a ticket and have it processed; its number."""
    ticket_id = ticketctl("create", *subject).out.strip()
    process(ticketctl, ticket_id)
    return ticket_id


def process(ticketctl: Program, ticket_id: str) -> None:
    record = {"messageId": "m", "body": f'{{"ticket_id": {ticket_id}}}', "attributes": {}}
    assert ticketctl("process", "-", stdin=json.dumps({"Records": [record]})).status == 0


def shown(ticketctl: Program, ticket_id: str) -> dict:
    return ticketctl("show", ticket_id, "--json").json


@pytest.fixture
def unsure(ticketctl: Program) -> str:
    return run(ticketctl, *UNSURE)


def test_fields_set_by_a_reviewer_survive_a_retry(ticketctl: Program, unsure: str) -> None:
    words = ["--category", "outage", "--priority", "urgent", "--language", "de", "--sentiment", "positive"]
    done = ticketctl("set", unsure, *words, "--draft-file", "-", stdin="Sehr geehrte Frau Lovelace\n")
    assert (done.status, done.out, done.err) == (0, f"{unsure}\n", "")
    assert ticketctl("retry", unsure).out == f"{unsure}\n"
    assert shown(ticketctl, unsure)["status"] == "new"
    process(ticketctl, unsure)
    after = shown(ticketctl, unsure)
    assert after["set_by_human"] == ["category", "draft", "language", "priority", "sentiment"]
    assert (after["category"], after["priority"], after["language"], after["sentiment"]) == (
        "outage",
        "urgent",
        "de",
        "positive",
    )
    assert (after["team"], after["draft"]) == ("operations", "Sehr geehrte Frau Lovelace\n")
    assert after["status"] == "processed"


def test_set_reads_a_draft_from_a_file(ticketctl: Program, unsure: str) -> None:
    (ticketctl.folder / "reply.txt").write_text("Dear Ada")
    ticket = ticketctl("set", unsure, "--draft-file", "reply.txt", "--json").json
    assert (ticket["draft"], ticket["set_by_human"], ticket["status"]) == (
        "Dear Ada",
        ["draft"],
        "needs_review",
    )


def test_approve_ends_the_review(ticketctl: Program, unsure: str) -> None:
    done = ticketctl("approve", unsure)
    assert (done.status, done.out, done.err) == (0, f"{unsure}\n", "")
    after = shown(ticketctl, unsure)
    assert (after["status"], after["attempts"][-1]["outcome"]) == ("processed", "approved")
    assert ticketctl("review").out == ""
    assert ticketctl("retry", unsure).status == 2
    assert shown(ticketctl, unsure) == after


def test_reject_drops_the_draft_for_good(ticketctl: Program, unsure: str) -> None:
    ticket = ticketctl("reject", unsure, "--reason", "not what we say", "--json").json
    assert (ticket["status"], ticket["draft"], ticket["set_by_human"]) == ("processed", None, ["draft"])
    assert shown(ticketctl, unsure)["attempts"][-1]["error"] == "not what we say"


def test_a_corrected_ticket_gets_the_draft_of_its_category(ticketctl: Program) -> None:
    ticket_id = run(ticketctl, *SURE)
    before = shown(ticketctl, ticket_id)
    ticketctl("set", ticket_id, "--category", "outage")
    assert shown(ticketctl, ticket_id)["draft"] == before["draft"]
    done = ticketctl("retry", ticket_id, "--draft")
    assert (done.status, done.out, done.err) == (0, f"{ticket_id}\n", "")
    after = shown(ticketctl, ticket_id)
    assert "outage" not in before["draft"] != after["draft"]
    assert (after["status"], after["team"], after["set_by_human"]) == (
        "processed",
        "operations",
        ["category"],
    )
    assert ticketctl("undo", ticket_id).status == 0
    assert shown(ticketctl, ticket_id)["draft"] == before["draft"]
    ticketctl("approve", ticket_id)
    refused = ticketctl("retry", ticket_id, "--draft")
    assert refused.status == 2
    assert TOLD.fullmatch(refused.err)
    assert f"a person decided on the draft of ticket {ticket_id}" in refused.err
    assert ticketctl("retry", "--failed", "--draft").status == 2


WRONG: list[tuple[list[str], int, str]] = [
    (["set", "{id}"], 2, "nothing to set"),
    (["set", "{id}", "--category", "nonsense"], 2, "no category 'nonsense'"),
    (["set", "{id}", "--team", "\x1b[31m"], 2, "\\x1b"),
    (["set", "{id}", "--language", "German"], 2, "no language 'German'"),
    (["set", "{id}", "--draft-file", "none.txt"], 2, "none.txt cannot be read"),
    (["set", "{id}", "--draft-file", "-"], 2, "the draft is empty"),
    (["set", "999", "--team", "support"], 3, "no ticket 999"),
    (["approve", "999"], 3, "no ticket 999"),
    (["reject", "0"], 3, "no ticket 0"),
    (["reject", "{id}", "--reason", "x" * 1001], 2, "the reason has 1,001 characters"),
    (["route", "999"], 3, "no ticket 999"),
    (["route", "--explain", str(2**63)], 3, "no ticket"),
    (["review", "--limit", "0"], 2, "0 tickets"),
    (["approve"], 2, "name tickets"),
]


def test_refused_decisions_change_nothing(ticketctl: Program, unsure: str, rows: Callable[[], str]) -> None:
    before = rows()
    for arguments, status, text in WRONG:
        done = ticketctl(*(argument.format(id=unsure) for argument in arguments))
        assert (done.status, done.out) == (status, ""), arguments
        assert TOLD.fullmatch(done.err), done.err
        assert text in done.err
    assert rows() == before


def test_a_new_ticket_can_neither_be_approved_nor_routed(ticketctl: Program) -> None:
    ticket_id = ticketctl("create", *UNSURE).out.strip()
    for command in ("approve", "reject", "route"):
        done = ticketctl(command, ticket_id)
        assert done.status == 2
        assert f"ticket {ticket_id}" in done.err
        assert "ticketctl work" in done.err


def test_route_explains_which_rule_matched(ticketctl: Program) -> None:
    ticket_id = run(ticketctl, *SURE)
    done = ticketctl("route", "--explain", ticket_id)
    assert [line.split("\t")[:3] for line in done.out.splitlines()] == [
        ["break-ins first", "security", "no match"],
        ["disturbances", "operations", "no match"],
        ["unsure", "support", "no match"],
        ["money", "billing", "matched"],
    ]
    assert done.out.splitlines()[0].endswith("category is refund, not security or privacy") or (
        "category is billing" in done.out
    )
    assert ticketctl("route", ticket_id).out == done.out.splitlines()[-1] + "\n"


def test_route_shows_the_rules_team_beside_the_reviewers_team(ticketctl: Program, unsure: str) -> None:
    ticketctl("set", unsure, "--team", "sales")
    form = ticketctl("route", "--explain", unsure, "--json").json
    assert (form["team"], form["team_set_by_human"], form["chosen"]["team"]) == ("sales", True, "technical")
    assert form["rules"][-1] == form["chosen"] | {"matched": True}


def test_review_lists_waiting_tickets_in_a_pipe(ticketctl: Program, unsure: str) -> None:
    later = run(ticketctl, "Something\tis\x1b[31m odd", "--body", "really")
    done = ticketctl("review")
    lines = [line.split("\t") for line in done.out.splitlines()]
    assert [line[0] for line in lines] == [unsure, later]
    assert lines[0][6].startswith("confidence 0.")
    assert lines[1][5] == "Something\\tis\\x1b[31m odd"
    form = ticketctl("review", "--json", "--limit", "1").json
    [ticket] = form["tickets"]
    assert (str(ticket["id"]), ticket["reasons"]) == (unsure, [lines[0][6]])


def typed(ticketctl: Program, keys: str, **variables: str) -> tuple[int, str]:
    """Review on a terminal on which somebody types; the status, and all that the screen showed, without styles."""
    done = ticketctl.with_env(**variables).type_on_terminal("review", "--prompt", keys=keys)
    return done.status, STYLE.sub("", done.out)


def test_a_terminal_shows_the_review_in_full_screen(ticketctl: Program, unsure: str) -> None:
    pytest.importorskip("textual", reason="the extra tui is not installed")
    screen, line = pty.openpty()
    fcntl.ioctl(line, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    user = ticketctl.with_env(TERM="xterm-256color")
    with user.popen("review", stdin=line, stdout=line, stderr=line) as process:
        os.close(line)
        output = b""
        for text, key in ((UNSURE[2], b"a"), ("No ticket needs a review", b"q")):
            while text.encode() not in output:
                output += os.read(screen, 65_536)
            os.write(screen, key)
        with suppress(OSError):  # Linux raises this at the end
            while output:
                output = os.read(screen, 65_536)
    os.close(screen)
    assert process.returncode == 0
    assert shown(ticketctl, unsure)["status"] == "processed"


def test_reviewer_sees_the_pipelines_result_and_approves(ticketctl: Program, unsure: str) -> None:
    status, screen = typed(ticketctl, "a\n")
    assert status == 0
    before = shown(ticketctl, unsure)
    for part in ("1 of 1", UNSURE[0], UNSURE[2], "bug (confidence 0.", "why: confidence 0."):
        assert part in screen
    assert before["draft"].splitlines()[0] in screen
    assert f"ticket {unsure} approved" in screen
    assert before["status"] == "processed"


def test_reviewer_corrects_category_and_team_before_approving(ticketctl: Program, unsure: str) -> None:
    status, screen = typed(ticketctl, "c\n99\nc\noutage\nt\n1\nx\napprove\n")
    assert status == 0
    assert "there is no category '99'" in screen
    after = shown(ticketctl, unsure)
    assert (after["category"], after["team"], after["status"]) == ("outage", "support", "processed")
    assert {"category", "team"} < set(after["set_by_human"])


def test_reviewer_edits_the_draft(ticketctl: Program, unsure: str) -> None:
    editor = ticketctl.folder / "editor"
    editor.write_text('#!/bin/sh\nprintf "Dear Ada\\n" > "$1"\n')
    editor.chmod(0o755)
    status, screen = typed(ticketctl, "e\nq\n", EDITOR=str(editor))
    assert status == 0
    assert "Dear Ada" in screen
    after = shown(ticketctl, unsure)
    assert (after["draft"], after["set_by_human"], after["status"]) == (
        "Dear Ada\n",
        ["draft"],
        "needs_review",
    )


def test_a_failing_editor_does_not_end_the_review(ticketctl: Program, unsure: str) -> None:
    status, screen = typed(ticketctl, "e\nr\ntoo vague\n", EDITOR="/no/such/editor")
    assert status == 0
    assert "the editor /no/such/editor cannot be run" in screen
    after = shown(ticketctl, unsure)
    assert (after["draft"], after["attempts"][-1]["error"]) == (None, "too vague")


def test_skip_and_quit_change_nothing(ticketctl: Program, unsure: str, rows: Callable[[], str]) -> None:
    second = run(ticketctl, *UNSURE)
    before = rows()
    for keys in ("s\ns\n", "q\n", "e\nskip\nquit\n", "c\n\ns\nq\n"):
        status, screen = typed(ticketctl, keys, EDITOR="true")
        assert status == 0
        assert f"#{unsure}" in screen
        assert (f"#{second}" in screen) == ("s" in keys)
    assert rows() == before


def test_review_says_if_no_ticket_waits(ticketctl: Program) -> None:
    status, screen = typed(ticketctl, "")
    assert (status, screen) == (0, "no ticket needs a review\n")


def test_review_escapes_control_characters(ticketctl: Program) -> None:
    run(ticketctl, "\x1b]0;gone\x07 [bold]broken", "--body", "\x1b[2J[/bold] somehow")
    _, screen = typed(ticketctl, "q\n")
    assert "\\x1b]0;gone\\x07 [bold]broken" in screen
    assert "\x1b]0" not in screen
    assert "\x1b[2J" not in screen


def test_decisions_print_the_ticket_as_json(ticketctl: Program, unsure: str) -> None:
    for arguments in (["approve", unsure], ["set", unsure, "--team", "sales"], ["reject", unsure]):
        done = ticketctl(*arguments, "--json")
        assert json.loads(done.out)["id"] == int(unsure)
        assert done.out.count("\n") == 1
