"""Recall of redaction over many spellings, and its precision on ordinary sentences."""

import re

import pytest

from tests.unit.ai.personal_data import CARDS, EMAILS, FRAMES, IBANS, PHONES, ordinary_sentences
from ticketctl.ai.redaction import redact

SPELLINGS = {"card": CARDS, "iban": IBANS, "email": EMAILS, "phone": PHONES}
MIN_RECALL = 0.98
MAX_CHANGED = 0.01


def is_redacted(value, frame):
    """Whether neither two digits nor a part of an address are left of a value."""
    text = redact(frame.format(value)).text
    rest = re.sub(r"\[(?:EMAIL|PHONE|CARD|IBAN)_\d\]", "", text)
    return rest != text and not re.search(r"\d\D{0,3}\d|@|example", rest)


def leaks(kind):
    return [
        (value, redact(frame.format(value)).text)
        for value in SPELLINGS[kind]
        for frame in FRAMES
        if not is_redacted(value, frame)
    ]


def test_there_are_at_least_120_spellings():
    assert len({value for values in SPELLINGS.values() for value in values}) >= 120


@pytest.mark.parametrize("kind", SPELLINGS)
def test_recall_of_each_kind(kind):
    missed = leaks(kind)
    assert len(missed) <= (1 - MIN_RECALL) * len(SPELLINGS[kind]) * len(FRAMES), missed


def test_ordinary_sentences_stay_as_they_are():
    sentences = ordinary_sentences(2_000)
    changed = [redact(sentence).text for sentence in sentences if redact(sentence).text != sentence]
    assert len(changed) <= MAX_CHANGED * len(sentences), changed
