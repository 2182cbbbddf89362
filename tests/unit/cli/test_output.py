import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from ticketctl.cli.rendering import output

HOSTILE = "\x00\x07\x1b[31m\x7f\x9b2J\u202e\u2066\u200e\ufeff\U000e0041\t\r\n\u2028é😀"

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    return lambda: capsys.readouterr().out


@examples(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values)
def test_piped_json_is_one_line_that_reads_back(printed: Callable[[], str], value: Any) -> None:
    output.print_json(value)
    text = printed()
    assert text.count("\n") == 1
    assert json.loads(text) == value


@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "pipe"])
def test_json_escapes_control_characters(
    *, terminal: bool, printed: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "is_terminal", lambda: terminal)
    output.print_json({HOSTILE: [HOSTILE]})
    text = printed()
    assert json.loads(text) == {HOSTILE: [HOSTILE]}
    assert all(c.isprintable() or c == "\n" for c in text)
    assert "é😀" in text


def test_a_row_is_one_line(printed: Callable[[], str]) -> None:
    output.print_rows([["a\tb", "c\nd", None, 7], [HOSTILE]])
    first, second = printed().split("\n")[:-1]
    assert first.split("\t") == [r"a\tb", r"c\nd", "", "7"]
    assert second.isprintable()


def test_a_table_shows_markup_and_controls_as_text(printed: Callable[[], str]) -> None:
    output.print_table(("A", "B"), [("[bold]x[/bold]", ":smile:"), ("\x1b[31m", "[/]")])
    text = printed()
    assert "[bold]x[/bold]" in text
    assert ":smile:" in text
    assert r"\x1b[31m" in text
    assert "\x1b" not in text


def test_messages_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_message("two\nlines \x1b")
    assert capsys.readouterr() == ("", "two\nlines \\x1b\n")
