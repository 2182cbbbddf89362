"""What people decide is exported, learnt from and measured, through the program."""

import csv
import json

import pytest

from tests.program import STYLE, Program


@pytest.fixture
def desk(ticketctl: Program) -> Program:
    """Return the program on two processed tickets: a person corrected one and approved the other."""
    body = "The blorp shows nothing.\n\n> our invoice\nCard 4111 1111 1111 1111"
    corrected = ticketctl("create", "The blorp is wonky", "--body", body).out.strip()
    confirmed = ticketctl("create", "I was charged twice this month").out.strip()
    assert ticketctl("work", "--drain").status == 0
    assert ticketctl("set", corrected, "--category", "security").status == 0
    assert ticketctl("approve", confirmed).status == 0
    return ticketctl


def test_decisions_are_exported_learnt_and_measured(desk: Program) -> None:
    assert desk("corrections", "export", "out.csv").out == "out.csv\t2\n"
    with (desk.folder / "out.csv").open(newline="") as file:
        first, second = csv.DictReader(file)
    assert (first["label"], second["label"], second["predicted"]) == ("security", "billing", "billing")
    assert "blorp" in first["text"]
    assert "invoice" not in first["text"]
    assert "4111 1111" not in first["text"]
    assert desk("corrections", "export", "out.jsonl").status == 0
    lines = (desk.folder / "out.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["label"] for line in lines] == ["security", "billing"]
    added = desk("train", "--from-corrections", "-o", "added.model", "--json").json
    assert added == desk("train", "out.csv", "-o", "again.model", "--json").json | {"file": "added.model"}
    assert added["texts"] > 1000
    alone = desk("train", "--from-corrections", "--replace", "-o", "alone.model", "--json").json
    assert (alone["texts"], alone["labels"]) == (2, 2)
    measured = desk("eval", "--corrections", "--model", "added.model", "--json").json
    assert (measured["tickets"], measured["accuracy"]) == (2, 1.0)


def test_statistics_show_how_often_people_agreed(desk: Program) -> None:
    rows = [line.split("\t") for line in desk("stats", "--accuracy", "--since", "30d").out.splitlines()]
    assert rows[0] == ["all", "", "2", "0.5"]
    assert ["category", "billing", "1", "1.0"] in rows
    assert ["category", "security", "1", "0.0"] in rows
    assert {row[0] for row in rows} == {"all", "category", "team", "model", "month", "calibration_error"}
    form = desk("stats", "--accuracy", "--json").json
    assert form["agreement"][0] == {"field": "all", "value": "", "decisions": 2, "agreed": 1, "share": 0.5}
    assert "calibration error" in STYLE.sub("", desk.on_terminal("stats", "--accuracy").out)


@pytest.mark.parametrize(
    ("command", "status", "text"),
    [
        (("corrections", "export", "x.txt"), 2, "x.txt is neither .csv nor .jsonl"),
        (("corrections", "export", "x.csv"), 2, "no person has decided on a category yet"),
        (("train", "-o", "m"), 2, "name either a file or --from-corrections"),
        (("train", "x.csv", "--from-corrections", "-o", "m"), 2, "name either a file or --from-corrections"),
        (("eval",), 2, "name either a file or --corrections"),
        (("stats", "--since", "30d"), 2, "--since needs --accuracy"),
    ],
)
def test_what_cannot_be_done_is_explained(
    ticketctl: Program, command: tuple[str, ...], status: int, text: str
) -> None:
    done = ticketctl(*command)
    assert (done.status, done.out) == (status, "")
    assert done.err.startswith(f"error: {text}")
    assert done.err.count("\n") == 2
