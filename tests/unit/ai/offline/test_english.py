"""Clearly English texts need no model; everything else is left to it."""

import json
from pathlib import Path

import pytest

from ticketctl.ai.offline import language
from ticketctl.ai.offline.english import is_clearly_english

TICKETS = Path(__file__).parents[3] / "data" / "triage" / "tickets.jsonl"


@pytest.mark.parametrize(
    "text",
    [
        "i was charged twice for order 4711 please refund the second payment of 12.50 eur.",
        "since the update i can't log in to my account, what should i do?",
        "we have not received the invoice yet, and your portal does not show it.",
    ],
)
def test_plain_english_is_recognized(text):
    assert is_clearly_english(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "login broken",
        "please help",
        "guten tag, ich kann mich nicht mehr anmelden, please help with this, thanks",
        "die app zeigt: cannot connect to the server, please try again",
        "bonjour, j'ai le message: you are not allowed to use this",
        "el sistema dice that the password is not valid, please try again",
        "ik krijg de melding: the server could not be found",
        "no puedo entrar, dice: your account does not exist",
        "l'applicazione dice: you are not allowed to do this",
        "i can't log in, the error is \u201cconnexion refus\u00e9e\u201d and your site is down",
        "salesforce google chrome firefox windows linux",
    ],
)
def test_other_and_mixed_texts_are_left_to_the_model(text):
    assert not is_clearly_english(text)


def test_the_model_agrees_with_every_ticket_that_is_clearly_english(monkeypatch):
    texts = [
        f"{ticket['subject']} {ticket['body']}".lower()
        for ticket in map(json.loads, TICKETS.read_text("utf-8").splitlines())
    ]
    clear = [text for text in texts if is_clearly_english(" ".join(text.split()))]
    assert len(clear) > 50
    monkeypatch.setattr(language, "is_clearly_english", lambda _: False)
    assert {language.detect_language(text) for text in clear} == {"en"}
