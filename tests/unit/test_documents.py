"""The documents name files, folders and tests that exist."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = ["README.md", *(str(path.relative_to(ROOT)) for path in sorted((ROOT / ".github").rglob("*.md")))]
PLACES = ("", "ticketctl/", "ticketctl/postgres/", "ticketctl/warmstart/report/")
EXAMPLES = {"app.py", "cli/commands/NAME.py"}
PATH = re.compile(r"`(?:pytest )?((?:[\w.]+/)+[\w.]*|\w+\.py)`")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_path_that_a_document_names_exists(document: str) -> None:
    named = set(PATH.findall((ROOT / document).read_text("utf-8"))) - EXAMPLES
    missing = [path for path in named if not any((ROOT / place / path).exists() for place in PLACES)]
    assert missing == []


def test_the_architecture_names_every_package_and_root_module() -> None:
    text = (ROOT / ".github/ARCHITECTURE.md").read_text("utf-8")
    names = {path.stem for path in (ROOT / "ticketctl").iterdir() if not path.name.startswith("__")} - {"py"}
    assert [name for name in sorted(names) if not re.search(rf"\b{name}\b", text)] == []


def test_the_layers_of_the_architecture_are_those_of_the_import_contract() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    assert "\n".join(layers) in (ROOT / ".github/ARCHITECTURE.md").read_text("utf-8")
