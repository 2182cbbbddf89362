"""People who share the work: who has a ticket, what they noted, what was changed by whom, and how to take it back."""

from collections.abc import Callable

import pytest

from tests.program import STYLE, Program

Ask = Callable[[str], str]


@pytest.fixture
def desk(ticketctl: Program) -> Program:
    return ticketctl.with_env(TICKETCTL_USER="ada")


@pytest.fixture
def ids(desk: Program) -> list[str]:
    return [desk("create", f"ticket {n}").out.strip() for n in range(3)]


def test_tickets_are_assigned_tagged_and_found(desk: Program, ids: list[str]) -> None:
    assert desk("assign", ids[0], "@me").status == 0
    assert (
        desk("assign", f"{ids[1]}-{ids[2]}", "grace").out == f"{ids[1]}\tassigned\t\n{ids[2]}\tassigned\t\n"
    )
    assert desk("tag", ids[0], ids[1], "vip").status == 0
    assert desk("tag", "--assignee", "grace", "--all", "late").status == 0
    found = desk("list", "--assignee", "ada", "--assignee", "grace", "--tag", "vip", "--sort", "id", "--json")
    assert [(one["assignee"], one["tags"]) for one in found.json["tickets"]] == [
        ("ada", ["vip"]),
        ("grace", ["late", "vip"]),
    ]
    assert desk("tag", ids[1], "late", "--remove").status == 0
    assert desk("list", "--tag", "late").out.split("\t")[0] == ids[2]
    assert desk("assign", ids[2], "--nobody").status == 0
    assert desk("list", "--assignee", "grace").out.split("\t")[0] == ids[1]
    assert desk("list", "--assignee", "@me", "--fields", "id").out == f"{ids[0]}\n"
    assert desk("set", "--all", "--where", "assignee=@me", "--priority", "high").status == 0
    assert "already assigned" in desk("assign", ids[1], ids[2], "grace").out


def test_notes_and_history_name_their_author(desk: Program, ids: list[str]) -> None:
    assert desk("note", ids[0], "called back").status == 0
    assert (
        desk.with_env(TICKETCTL_USER="grace")("note", ids[0], "-", stdin="waits for\nan invoice").status == 0
    )
    shown = desk("show", ids[0], "--json").json
    assert [(note["actor"], note["text"]) for note in shown["notes"]] == [
        ("ada", "called back"),
        ("grace", "waits for\nan invoice"),
    ]
    assert shown["created_by"] == "person:ada"
    assert "called back" in desk.on_terminal("show", ids[0]).out
    assert desk("set", ids[0], "--category", "refund").status == 0
    lines = [line.split("\t")[1:] for line in desk("history", ids[0]).out.splitlines()]
    assert lines[0] == ["person", "ada", "create", "status", "", "new", "", ""]
    assert lines[1][:-1] == ["person", "ada", "note", "", "", "", "called back"]
    assert ["person", "ada", "set", "category", "", "refund", ""] in [line[:-1] for line in lines]
    assert len({line[-1] for line in lines}) == 4  # each command has its number
    assert "category: - → refund" in STYLE.sub("", desk.on_terminal("history", ids[0], width=160).out)
    assert [change["action"] for change in desk("history", ids[0], "--json").json["changes"]] == [
        "create",
        "note",
        "note",
        "set",
    ]


def test_undo_takes_back_what_a_person_did_but_not_what_a_worker_did(desk: Program, ids: list[str]) -> None:
    assert desk("close", ids[0]).status == 0
    assert desk("undo", ids[0]).out == f"{ids[0]}\tclose\n"
    assert desk("show", ids[0], "--json").json["status"] == "new"
    done = desk("undo", ids[0])
    assert (done.status, done.err.splitlines()[0]) == (2, f"error: ticket {ids[0]} has no change to undo")
    assert desk("set", ids[0], "--category", "refund").status == 0
    assert desk("work", "--drain").status == 0
    done = desk("undo", ids[0])
    assert done.status == 2
    assert done.err.startswith(
        f"error: the last change of ticket {ids[0]} cannot be undone: a worker has changed it since\n"
        f"hint: ticketctl history {ids[0]} shows it"
    )


def test_what_is_done_already_is_said(desk: Program, ids: list[str]) -> None:
    assert "closed" in desk.on_terminal("close", ids[0]).out
    assert f"ticket {ids[0]} was already closed" in desk.on_terminal("close", ids[0]).out
    done = desk("retry", ids[0])
    assert (done.status, done.err.splitlines()) == (
        2,
        [
            f"error: ticket {ids[0]} is closed and cannot be retried",
            f"hint: ticketctl reopen {ids[0]} opens it again",
        ],
    )
    assert desk("retry", "--failed").err == "no ticket has failed\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tag", "1", "two words"), "'two words' cannot be a tag"),
        (("tag",), "NAME is missing"),
        (("tag", "vip"), "name tickets, or filters with --all"),
        (("assign", "1", " "), "the assignee is empty"),
        (("note", "1", " "), "the note is empty"),
        (("set", "--all", "--where", "colour=red", "--team", "sales"), "--where cannot be 'colour=red'"),
        (("set", "1"), "there is nothing to set"),
        (("retry", "--older-than", "1h", "1"), "--older-than has no effect without --stuck"),
        (("list", "--older-than", "1h"), "--older-than has no effect without --stuck"),
        (("retry", "--failed", "--status", "new"), "--failed and --stuck choose the tickets themselves"),
    ],
)
def test_what_has_no_effect_is_an_error(desk: Program, arguments: tuple[str, ...], message: str) -> None:
    done = desk(*arguments)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(f"error: {message}"), done.err


def test_set_and_retry_take_filters(desk: Program, ask: Ask, ids: list[str]) -> None:
    assert (
        desk("set", "--all", "--where", "status=new", "--where", "search=ticket 1", "--team", "sales").status
        == 0
    )
    assert ask("select id from tickets where team = 'sales'") == ids[1]
    ask(f"update tickets set status = 'failed' where id in ({ids[0]}, {ids[2]})")  # noqa: S608 - of this test
    assert desk("retry", "--status", "failed", "--all").out.split() == [ids[0], ids[2]]
    assert ask("select distinct status from tickets") == "new"


def test_an_unusable_name_is_a_configuration_error(desk: Program, ids: list[str]) -> None:
    done = desk.with_env(TICKETCTL_USER="x" * 101)("close", ids[0])
    assert (done.status, done.err.splitlines()[0]) == (
        4,
        "error: TICKETCTL_USER: the user has 101 characters",
    )
