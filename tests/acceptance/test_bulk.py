"""Many tickets at once: numbers, ranges, stdin and filters, with a question before and a report after."""

import re
from collections.abc import Callable

import pytest

from tests.program import STYLE, Program, ProgramResult

Ask = Callable[[str], str]


@pytest.fixture
def ids(ask: Ask) -> list[str]:
    """Six processed tickets with consecutive numbers, every second of them for a review."""
    ask(
        "insert into tickets (subject, status, team, draft, processed_at, attempt) select 'x', "
        "(array['needs_review', 'processed'])[n % 2 + 1], 'support', 'Dear Ada', now(), 1 from generate_series(0, 5) n"
    )
    return ask("select id from tickets order by id").split()


def statuses(ask: Ask) -> list[str]:
    return ask("select status from tickets order by id").split()


def test_close_takes_numbers_ranges_and_stdin_and_reports_each(
    ticketctl: Program, ask: Ask, ids: list[str]
) -> None:
    missing = str(int(ids[-1]) + 1)
    done = ticketctl("close", f"#{ids[0]}", f"{ids[1]}-{ids[3]}", ids[1], "-", stdin=f"{ids[4]}\n{missing}\n")
    lines = [line.split("\t") for line in done.out.splitlines()]
    assert lines[:5] == [[number, "closed", ""] for number in ids[:5]]
    assert lines[5] == [missing, "unchanged", f"there is no ticket {missing}"]
    assert done.status == 8
    assert "error: 1 of 6 tickets were not closed\n" in done.err
    assert statuses(ask) == ["closed"] * 5 + ["processed"]


def test_all_applies_the_filters_and_reopen_undoes_it(ticketctl: Program, ask: Ask, ids: list[str]) -> None:
    done = ticketctl("close", "--status", "needs_review", "--team", "support", "--all", "--json")
    assert [result["id"] for result in done.json["results"]] == [int(number) for number in ids[::2]]
    assert statuses(ask) == ["closed", "processed"] * 3
    new = ticketctl("create", "never processed").out.strip()
    ask("delete from messages")
    ticketctl("close", new)
    done = ticketctl("reopen", "--status", "closed", "--all")
    assert done.status == 0, done.err
    assert statuses(ask) == ["needs_review", "processed"] * 3 + ["new"]
    assert ask("select ticket_id from messages") == new
    done = ticketctl("reopen", ids[1])
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(f"error: ticket {ids[1]} is processed, not closed\n")


def test_approve_reject_set_and_retry_take_ranges(ticketctl: Program, ask: Ask, ids: list[str]) -> None:
    every = f"{ids[0]}-{ids[5]}"
    assert ticketctl("set", every, "--priority", "high").status == 0
    assert ask("select distinct priority from tickets") == "high"
    assert ticketctl("reject", f"{ids[0]}-{ids[1]}", "--reason", "too long").status == 0
    assert ask("select count(*) from tickets where draft is null") == "2"
    assert ticketctl("approve", "--status", "needs_review", "--status", "processed", "--all").status == 0
    assert statuses(ask) == ["processed"] * 6
    ask("update tickets set status = 'failed'")
    assert ticketctl("retry", every).out.split() == ids


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ([], 2, "name tickets, or filters with --all"),
        (["1", "--all"], 2, "name tickets, or filters with --all"),
        (["1", "--status", "new"], 2, "the filters have no effect on named tickets"),
        (["--all"], 2, "--all without a filter is every ticket"),
        (["5-3"], 2, "the range 5-3 cannot be used"),
        (["1-99999999"], 2, "the range 1-99999999 cannot be used"),
        (["1-2", "x"], 2, "'x' is not the number of a ticket"),
        (["-"], 3, "stdin names no ticket"),
        (["--status", "failed", "--all"], 3, "no ticket matches"),
        (["--search", "word " * 400, "--all"], 2, "the search has 2,000 characters"),
    ],
)
def test_a_selection_that_cannot_be_used_changes_nothing(
    ticketctl: Program, ask: Ask, ids: list[str], arguments: list[str], status: int, message: str
) -> None:
    before = statuses(ask)
    done = ticketctl("close", *arguments)
    assert (done.status, done.out) == (status, "")
    assert done.err.startswith(f"error: {message}"), done.err
    assert statuses(ask) == before
    assert len(ids) == 6


def test_a_terminal_asks_before_several_tickets_change(ticketctl: Program, ask: Ask, ids: list[str]) -> None:
    command = ("close", f"{ids[0]}-{ids[5]}")
    done = ticketctl.type_on_terminal(*command, keys="n\n")
    assert f"close 6 tickets ({', '.join(ids[:5])} ...)?" in done.out
    assert (done.status, "closed" in statuses(ask)) == (2, False)
    done = ticketctl.type_on_terminal(*command, keys="y\n")
    assert done.status == 0
    *_, last = lines = STYLE.sub("", done.out).splitlines()
    assert [line.split()[1] for line in lines[-7:-1]] == ["closed"] * 6
    assert last.startswith("to undo: ticketctl undo --operation ")
    assert "?" not in ticketctl.type_on_terminal("reopen", f"{ids[0]}-{ids[5]}", "--yes", keys="").out
    assert "?" not in ticketctl.type_on_terminal("close", f"#{ids[0]}", keys="").out
    assert "?" not in ticketctl.type_on_terminal("reopen", ids[0], keys="").out


def number_of(done: ProgramResult) -> str:
    """Return the number that a command prints for its undo."""
    return re.findall(r"^to undo: ticketctl undo --operation ([0-9]+)$", done.err, re.MULTILINE)[0]


def test_undo_takes_back_a_whole_command_but_not_what_came_after(
    ticketctl: Program, ask: Ask, ids: list[str]
) -> None:
    ada, grace = (ticketctl.with_env(TICKETCTL_USER=name) for name in ("ada", "grace"))
    number = number_of(grace("close", f"{ids[0]}-{ids[5]}"))
    before = ["needs_review", "processed"] * 3
    assert ada("reopen", ids[1]).status == 0
    assert ada("undo", ids[2]).status == 0
    shown = ada("history", ids[3], "--json").json["changes"][-1]
    assert (shown["action"], shown["operation"]) == ("close", int(number))
    done = ada("undo", "--operation", number)
    assert done.status == 8
    assert [line.split("\t") for line in done.out.splitlines()] == [
        [ids[0], "undone", ""],
        [ids[1], "unchanged", f"ticket {ids[1]} was changed since: reopen by person ada"],
        [ids[2], "already undone", ""],
        *([number, "undone", ""] for number in ids[3:]),
    ]
    assert done.err.startswith("undo grace's close of 6 tickets, ")
    assert "error: 1 of 6 tickets were not undone\n" in done.err
    assert statuses(ask) == [before[0], "needs_review", *before[2:]]
    done = ada("undo", "--operation", number, "--json")
    assert [one["outcome"] for one in done.json["results"]] == [
        "already undone",
        "unchanged",
        *["already undone"] * 4,
    ]
    undoing = ada("history", ids[3], "--json").json["changes"][-1]
    done = ada("undo", "--operation", str(undoing["operation"]))
    assert (done.status, done.err.splitlines()[0]) == (
        2,
        f"error: operation {undoing['operation']} is an undo, which cannot be undone",
    )


def test_undo_last_goes_back_from_command_to_command(ticketctl: Program, ask: Ask, ids: list[str]) -> None:
    ada, grace = (ticketctl.with_env(TICKETCTL_USER=name) for name in ("ada", "grace"))
    every = f"{ids[0]}-{ids[5]}"
    number = number_of(ada("tag", every, "vip"))
    assert int(number_of(ada("set", every, "--priority", "high"))) > int(number)
    assert number_of(grace("assign", ids[0], ids[1], "grace"))
    done = ada("undo", "--last")
    assert done.status == 8
    assert ask("select count(*) from tickets where priority = 'high'") == "2"
    assert f"ticket {ids[0]} was changed since: assign by person grace" in done.out
    done = ticketctl.with_env(TICKETCTL_USER="ada").type_on_terminal(
        "undo", "--operation", number, keys="n\n"
    )
    assert "undo your tag of 6 tickets, " in done.out
    assert done.status == 2
    done = ada("undo", "--operation", number, "--yes")
    assert [line.split("\t")[1] for line in done.out.splitlines()] == ["unchanged"] * 2 + ["undone"] * 4
    assert ask("select count(*) from tickets where tags <> '[]'") == "2"


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ([], 2, "name a ticket, or --operation NUMBER, or --last"),
        (["1", "--last"], 2, "name a ticket, or --operation NUMBER, or --last"),
        (["1", "--yes"], 2, "--yes has no effect on one ticket"),
        (["--operation", "123456789"], 3, "there is no operation 123456789"),
        (["--operation", "0"], 3, "there is no operation 0"),
        (["--last"], 3, "nobody has changed no ticket"),
    ],
)
def test_an_undo_that_cannot_be_done_says_why(
    ticketctl: Program, arguments: list[str], status: int, message: str
) -> None:
    done = ticketctl.with_env(TICKETCTL_USER="nobody")("undo", *arguments)
    assert (done.status, done.out) == (status, "")
    assert done.err.startswith(f"error: {message}"), done.err
