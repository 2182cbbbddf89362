"""Untrusted text never controls the terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticketctl.cli.rendering.escaping import escape_controls, escape_json_controls

C0 = [*range(0x20), 0x7F]
C1 = range(0x80, 0xA0)
BIDI = [0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
"""Unicode's Bidi_Control: https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters."""
INVISIBLE = [0xAD, 0x180E, 0x200B, *range(0x2028, 0x202A), *range(0x2060, 0x2065), 0xFEFF, 0xFFF9, 0xFFFB]
TAGS = range(0xE0000, 0xE0080)
SURROGATES = range(0xD800, 0xE000)

controls = st.sampled_from([*map(chr, [*C0, *C1, *BIDI, *INVISIBLE, *TAGS, *SURROGATES])])
texts = st.text(st.characters())


@given(texts, controls, texts)
def test_every_control_character_is_escaped_wherever_it_stands(before: str, control: str, after: str) -> None:
    escaped = escape_controls(control)
    assert escaped.isascii()
    assert escaped.isprintable()
    assert escaped.startswith("\\")
    assert escape_controls(before + control + after) == (
        escape_controls(before) + escaped + escape_controls(after)
    )
    assert control not in escape_controls(before + control + after)
    assert control == "\n" or control not in escape_json_controls(before + control + after)


@pytest.mark.parametrize(
    ("text", "escaped"),
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
def test_a_control_character_is_escaped_as_python_writes_it(text: str, escaped: str) -> None:
    assert escape_controls(text) == escaped


@pytest.mark.parametrize(
    "text",
    ["", "plain", "[bold]no markup[/bold]", "naïve café", "日本語", "😀 👩\u200d🚀", "שלום", "क्\u200cष"],
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert escape_controls(text) == text


@given(texts)
def test_multiline_text_keeps_only_its_line_ends(text: str) -> None:
    lines = escape_controls(text, multiline=True).split("\n")
    assert [escape_controls(line) for line in lines] == lines
    assert "\\n" in text or "\\n" not in "".join(lines)


def test_line_ends_of_every_system_become_line_feeds() -> None:
    assert escape_controls("a\nb\r\nc\n\nd\n", multiline=True) == "a\nb\nc\n\nd\n"
    assert escape_controls("a\rb\x0bc\x1cd\u2028e\x85f", multiline=True) == r"a\rb\x0bc\x1cd\u2028e\x85f"
