"""Recall of redaction over many spellings, and its precision on ordinary sentences."""

# ruff: noqa: RUF001 - odd characters are the point

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.ai.personal_data import CARDS, EMAILS, FRAMES, IBANS, PHONES, ordinary_sentences
from ticketctl.ai.phone_numbers import parse_regions
from ticketctl.ai.redaction import redact
from ticketctl.errors import ConfigError

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


SEPARATORS = [
    " ", "-", ".", "_", "/", "\u2009", "\u00a0", "\n", "–", "—", "‑", " - ", "  ", "*", "|", "·", ":", ", ", "\t", "\u200b", "\u202f", "_-_",
    "~", "\u3000", " / ", ";", "\r\n",
]  # fmt: skip


@given(st.data())
def test_card_number_with_any_separator(data):
    start, groups = data.draw(
        st.sampled_from(
            [
                ("4", [4, 4, 4, 4]), ("51", [4, 4, 4, 4]), ("2221", [4, 4, 4, 4]), ("34", [4, 6, 5]), ("6011", [8, 8]), ("36", [4, 6, 4]),
                ("62", [4, 4, 4, 4, 3]), ("62", [6, 13]), ("4", [4, 3, 3, 3]), ("67", [4, 4, 4, 4, 2]), ("50", [2] * 8), ("4", [1] * 16),
            ]
        )
    )  # fmt: skip
    digits = start + "".join(
        data.draw(
            st.lists(
                st.sampled_from("0123456789"), min_size=(size := sum(groups) - len(start) - 1), max_size=size
            )
        )
    )
    digits += next(digit for digit in "0123456789" if is_luhn(digits + digit))
    separator, frame = data.draw(st.sampled_from(SEPARATORS)), data.draw(st.sampled_from(FRAMES))
    pieces, position = [], 0
    for size in groups:
        pieces.append(digits[position : position + size])
        position += size
    assert is_redacted(separator.join(pieces), frame)


@given(st.data())
def test_iban_of_any_country(data):
    country = "".join(
        data.draw(st.lists(st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ"), min_size=2, max_size=2))
    )
    account = "".join(data.draw(st.lists(st.sampled_from("0123456789"), min_size=11, max_size=28)))
    check = 98 - int("".join(str(int(character, 36)) for character in f"{account}{country}00")) % 97
    compact = f"{country}{check:02}{account}"
    separator, frame = data.draw(st.sampled_from(["", *SEPARATORS])), data.draw(st.sampled_from(FRAMES))
    assert is_redacted(separator.join(compact[at : at + 4] for at in range(0, len(compact), 4)), frame)


def is_luhn(digits):
    values = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in values) % 10 == 0


def test_overlapping_values_become_one():
    assert redact("(41448760;38262350)").text == "([CARD_1])"


def test_value_at_the_limit_is_replaced_whole():
    text = "x" * 90 + " 4111 1111 1111 1111 and more"
    assert redact(text, limit=100).text == "x" * 90 + " [CARD_1]"


def test_invisible_characters_are_removed_before_redaction():
    assert redact("4111\u202e1111\u200b1111\u00ad1111").text == "[CARD_1]"


def test_national_numbers_are_those_of_the_regions():
    assert redact("use 612 34 56 78 please", regions=("ES",)).text == "use [PHONE_1] please"
    assert redact("use 612 34 56 78 please", regions=("US",)).text == "use 612 34 56 78 please"


def test_unknown_region_is_refused():
    with pytest.raises(ConfigError, match="unknown regions: XX"):
        parse_regions("US, XX")
