"""What a terminal might act upon never reaches it."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticketctl.cli.rendering.escaping import escape_controls

C0 = [*range(0x20), 0x7F]
C1 = range(0x80, 0xA0)
BIDI = [0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
"""Unicode's Bidi_Control: https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters."""
INVISIBLE = [0xAD, 0x180E, 0x200B, 0x2028, 0x2029, 0x2060, 0xFEFF, 0xFFF9, 0xFFFB, 0xE0001, 0xE0041]
SURROGATES = [0xD800, 0xDC80, 0xDFFF]


@pytest.mark.parametrize("number", [*C0, *C1, *BIDI, *INVISIBLE, *SURROGATES], ids=hex)
def test_every_control_character_is_written_out(number: int) -> None:
    written = escape_controls(f"a{chr(number)}b")
    assert written.isascii()
    assert written.isprintable()
    assert written.startswith("a\\")
    assert written.endswith("b")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a\tb\nc\rd", r"a\tb\nc\rd"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x9b31m", r"\x9b31m"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("file\u202etxt.exe", r"file\u202etxt.exe"),
        ("\ud800", r"\ud800"),
        ("\U000e0041", r"\U000e0041"),
    ],
)
def test_how_they_are_written(text: str, written: str) -> None:
    assert escape_controls(text) == written


@pytest.mark.parametrize(
    "text",
    ["", "plain", "[bold]no markup[/bold]", "naïve café", "日本語", "😀 👩\u200d🚀", "שלום", "क्\u200cष"],
)
def test_what_people_write_stays(text: str) -> None:
    assert escape_controls(text) == text


@given(st.text(st.characters()))
def test_no_text_brings_a_control_character_through(text: str) -> None:
    assert {unicodedata.category(c) for c in escape_controls(text)}.isdisjoint({"Cc", "Cs", "Zl", "Zp"})


@given(st.text(st.characters()))
def test_of_several_lines_only_the_line_ends_are_sent(text: str) -> None:
    lines = escape_controls(text, multiline=True).split("\n")
    assert [escape_controls(line) for line in lines] == lines
    assert "\\n" in text or "\\n" not in "".join(lines)


def test_a_line_ends_as_it_does_on_any_system() -> None:
    assert escape_controls("a\nb\r\nc\n\nd\n", multiline=True) == "a\nb\nc\n\nd\n"
    assert escape_controls("a\rb\x0bc\x1cd\u2028e\x85f", multiline=True) == r"a\rb\x0bc\x1cd\u2028e\x85f"
