"""The built-in taxonomy on the labelled tickets of the test split; nothing was tuned on them."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ticketctl.ai.offline.classifier import Classifier
from ticketctl.ai.taxonomy.loader import default_taxonomy
from ticketctl.tickets.models import Classification, Extraction

DATA = Path(__file__).parents[3] / "data/triage"
ROWS = [json.loads(line) for line in (DATA / "tickets.jsonl").read_text("utf-8").splitlines()]
ONCE_WRONG = [json.loads(line) for line in (DATA / "once_wrong.jsonl").read_text("utf-8").splitlines()]
TAXONOMY = default_taxonomy()
NO_TICKET = ("spam", "bounce", "auto_reply", "thanks")
LANGUAGES = ("en", "de", "fr", "es", "pt", "it", "nl")


@cache
def classifier() -> Classifier:
    return Classifier(TAXONOMY)


def classify(row: dict[str, Any]) -> Classification:
    return classifier().classify(f"{row['subject']}\n\n{row['body']}")


def select(*sets: str) -> list[dict[str, Any]]:
    return [row for row in ROWS if row["set"] in sets]


def test_tickets_are_classified_and_what_is_automated_is_right():
    rows = [row for row in select("ticket") if row["split"] == "test"]
    outcomes = [(classify(row), row["categories"]) for row in rows]
    assert sum(c.category in expected for c, expected in outcomes) >= 0.8 * len(rows)
    automated = [(c, expected) for c, expected in outcomes if not c.review]
    assert len(automated) >= 0.4 * len(rows)
    assert sum(c.category in expected for c, expected in automated) >= 0.95 * len(automated)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_is_recognised_and_classified(language):
    rows = [row for row in select("ticket") if row["split"] == "test" and row["language"] == language]
    outcomes = [(classify(row), row["categories"]) for row in rows]
    assert sum(c.language == language for c, _ in outcomes) == len(rows)
    assert sum(c.category in expected for c, expected in outcomes) >= 0.8 * len(rows)


@pytest.mark.parametrize("name", NO_TICKET)
def test_what_is_no_ticket_is_recognised(name):
    outcomes = [classify(row) for row in select(name)]
    assert {c.kind for c in outcomes} == {name}
    assert {c.priority for c in outcomes} == {"low"}


def test_no_ticket_is_taken_for_something_else():
    assert [row["subject"] for row in select("ticket", "takeover") if classify(row).kind != "ticket"] == []


def test_security_reports_reach_the_security_team():
    rows = [row for row in ROWS if row["categories"] == ["security"]]
    missed = [
        row["subject"] for row in rows if TAXONOMY.route(classify(row), Extraction()).team != "security"
    ]
    assert missed == []


def test_a_denied_outage_is_neither_an_outage_nor_urgent():
    outcomes = [(row, classify(row)) for row in select("negation")]
    assert [
        row["subject"] for row, c in outcomes if c.category == "outage" or c.priority in {"high", "urgent"}
    ] == []


def test_quoted_text_does_not_make_a_ticket_urgent():
    assert {classify(row).priority for row in select("quotation")} <= {"low", "normal"}


def test_a_language_that_the_team_does_not_answer_goes_to_review():
    outcome = classifier().classify("Nie mogę się zalogować na moje konto od wczoraj, proszę o pomoc")
    assert outcome.language == "pl"
    assert "the ticket is in Polish, which the team does not answer" in outcome.review
    assert TAXONOMY.reply_template("login", "pl") == ""
    assert TAXONOMY.reply_template("login", "und") == TAXONOMY.reply_template("login", "en") != ""


def test_every_category_has_a_reply_in_every_language():
    for category in TAXONOMY.categories:
        replies = {TAXONOMY.reply_template(category.name, language) for language in LANGUAGES}
        assert len(replies) == len(LANGUAGES)


@pytest.mark.parametrize("row", ONCE_WRONG, ids=[row["subject"] for row in ONCE_WRONG])
def test_a_ticket_that_was_once_wrong_is_right_in_every_field(row):
    found = classify(row)
    assert found.category in row["categories"]
    assert found.priority in row["priorities"]
    assert found.sentiment in row["sentiments"]
    assert found.language == row["language"]
    assert TAXONOMY.route(found, Extraction()).team in row["teams"]
