"""The README says what the program does."""

from pathlib import Path

from tests.matrix import EXPECTED
from ticketctl.diagnostics.execution_models import EXECUTION_MODELS
from ticketctl.postgres.pools import POOLS
from ticketctl.settings import NAMES

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
GLYPHS = {"✓": "ok", "◐": "partial", "✗": "error"}


def matrices() -> list[dict[tuple[str, str], tuple[list[str], str]]]:
    """Every matrix: outcomes and verdict by pool and execution model."""
    found: list[dict[tuple[str, str], tuple[list[str], str]]] = []
    models: list[str] = []
    for line in README.splitlines():
        words = [word for word in line.split() if word != "◀"]
        if words and set(words) <= EXECUTION_MODELS.keys():
            models = words
            found.append({})
        elif line.partition(" ")[0] in POOLS:
            pool, *cells = words
            for model, glyphs, verdict in zip(models, cells[::2], cells[1::2], strict=True):
                outcomes = [GLYPHS[glyph] for glyph in glyphs.partition("|")[0]]
                found[-1][pool, model] = (outcomes, verdict)
    return found


def test_its_matrix_is_what_is_proved() -> None:
    assert matrices() == [EXPECTED]


def test_ci_installs_and_tests_as_it_says() -> None:
    ci = (ROOT / ".ci" / "run").read_text("utf-8")
    assert "pip install -e '.[dev]' && .venv/bin/pytest" in README
    assert "install --quiet --disable-pip-version-check -e '.[dev]'" in ci
    assert ci.rstrip().endswith('pytest"')


def test_it_names_settings_that_exist() -> None:
    named = {word.strip("`|.,:; ()") for word in README.split() if "TICKETCTL_" in word}
    names = {word.partition("=")[0] for word in named if word.startswith("TICKETCTL_")}
    assert names <= {f"TICKETCTL_{name.upper()}" for name in NAMES} | {"TICKETCTL_CONFIG", "TICKETCTL_DEBUG"}
