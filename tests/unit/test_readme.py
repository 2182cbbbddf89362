"""The README says what the program does."""

from pathlib import Path

from tests.matrix import EXPECTED
from ticketctl.db.pools import POOLS
from ticketctl.settings import NAMES

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
GLYPHS = {"✓": "ok", "◐": "partial", "✗": "error"}


def test_its_matrix_is_the_one_that_is_proved() -> None:
    rows = [line.split() for line in README.splitlines() if line.partition(" ")[0] in POOLS]
    shown = {}
    for pool, *cells in rows:
        words = [word for word in cells if word != "◀"]
        loops = ("run-per-record", "run-per-invocation", "runner")
        for loop, glyphs, verdict in zip(loops, words[::2], words[1::2], strict=True):
            shown[pool, loop] = ([GLYPHS[glyph] for glyph in glyphs.partition("|")[0]], verdict)
    assert shown == EXPECTED


def test_ci_installs_and_tests_as_it_says() -> None:
    ci = (ROOT / ".ci" / "run").read_text("utf-8")
    assert "pip install -e '.[dev]' && .venv/bin/pytest" in README
    assert "install --quiet --disable-pip-version-check -e '.[dev]'" in ci
    assert ci.rstrip().endswith('pytest"')


def test_it_names_settings_that_exist() -> None:
    named = {word.strip("`|.,:; ()") for word in README.split() if "TICKETCTL_" in word}
    names = {word.partition("=")[0] for word in named if word.startswith("TICKETCTL_")}
    assert names <= {f"TICKETCTL_{name.upper()}" for name in NAMES} | {"TICKETCTL_CONFIG", "TICKETCTL_DEBUG"}
