"""What users of gh take for granted: --jq, --watch, and tables that keep the number of a ticket."""

import importlib.util
import os
import pty
import signal
from collections.abc import Callable

import pytest

from tests.program import STYLE, Program

Ask = Callable[[str], str]
needs_jq = pytest.mark.skipif(importlib.util.find_spec("jq") is None, reason="the extra jq is not installed")


@needs_jq
def test_jq_filters_the_json(ticketctl: Program) -> None:
    number = ticketctl("create", "one \x1b[2J").out.strip()
    assert ticketctl("list", "--jq", ".tickets[].subject").out == "one \\x1b[2J\n"
    assert ticketctl("list", "--fields", "id", "--jq", ".tickets").out == f'[{{"id":{number}}}]\n'
    assert ticketctl("show", number, "--jq", ".status, .id").out == f"new\n{number}\n"
    assert ticketctl("stats", "--jq", ".tickets.new").out == "1\n"
    assert ticketctl("history", number, "--jq", ".changes | length").out == "1\n"
    assert ticketctl("list", "--jq", ".tickets[] | [.id, .status] | @tsv").out == f"{number}\tnew\n"
    for program in ("(", ".tickets + 1"):
        done = ticketctl("list", "--jq", program)
        assert (done.status, done.out) == (2, "")
        assert done.err.startswith("error: --jq failed: ")


def test_show_takes_the_columns_of_a_list(ticketctl: Program, ask: Ask) -> None:
    number = ticketctl("create", "one", "--body", "a\nb").out.strip()
    names = ("--fields", "id,body,tags")
    assert ticketctl("show", number, *names).out == ticketctl("list", *names).out == f"{number}\ta\\nb\t[]\n"
    chosen = {"id": int(number), "body": "a\nb", "tags": []}
    assert ticketctl("show", f"#{number}", *names, "--json").json == chosen
    assert ticketctl("list", *names, "--json").json["tickets"] == [chosen]
    shown = STYLE.sub("", ticketctl.on_terminal("show", number, *names, width=40).out)
    assert [line.split() for line in shown.splitlines()] == [
        ["id", number],
        ["body", "a"],
        ["b"],
        ["tags", "[]"],
    ]
    done = ticketctl("show", number, "--fields", "id,colour")
    assert (done.status, done.out) == (2, "")
    assert "'colour' is not one of id, subject, body," in done.err
    assert ask("select count(*) from tickets") == "1"


@pytest.mark.skipif(importlib.util.find_spec("jq") is not None, reason="the extra jq is installed")
def test_without_the_extra_jq_says_what_to_install(ticketctl: Program) -> None:
    done = ticketctl("list", "--jq", ".")
    assert (done.status, done.err) == (
        4,
        "error: --jq needs the package jq\nhint: pip install 'ticketctl[jq]'\n",
    )


@pytest.mark.parametrize("command", ["list", "stats"])
def test_watch_redraws_until_ctrl_c(ticketctl: Program, ask: Ask, command: str) -> None:
    assert ticketctl(command, "--watch").status == 2
    screen, line = pty.openpty()
    with ticketctl.with_env(TERM="xterm-256color").popen(
        command, "--watch", stdin=line, stdout=line, stderr=line
    ) as process:
        read_until(screen, "no tickets" if command == "list" else "processed")
        ask("insert into tickets (subject, status) values ('arrived meanwhile', 'failed')")
        read_until(screen, "arrived meanwhile" if command == "list" else "failed")
        process.send_signal(signal.SIGINT)
        os.close(line)
    os.close(screen)
    assert process.returncode == 0


def read_until(screen: int, expected: str) -> None:
    text = ""
    while expected not in STYLE.sub("", text):
        text += os.read(screen, 65_536).decode()


@pytest.mark.parametrize("width", [10, 20, 40])
def test_a_narrow_terminal_keeps_the_number(ticketctl: Program, ask: Ask, width: int) -> None:
    ask(
        "insert into tickets (id, subject, status) overriding system value values (1234567890, 'a long subject', 'needs_review')"
    )
    shown = STYLE.sub("", ticketctl.on_terminal("list", width=width).out)
    assert "1234567890" in shown
    assert "1234567890" in STYLE.sub(
        "", ticketctl.on_terminal("list", "--fields", "id,status,subject", width=width).out
    )
