from pathlib import Path

import pytest

from ticketctl.warmstart.static_analysis.analyzer import analyze


@pytest.fixture
def write(tmp_path: Path):
    def write(files: dict[str, str]) -> Path:
        for name, source in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source)
        return tmp_path

    return write


@pytest.fixture
def check(write):
    """Write files and return place and rule of each finding."""

    def check(files: dict[str, str], handler: str | None = None) -> list[tuple[str, str]]:
        return [
            (one.place, one.rule) for one in analyze(write(files), handler, version=lambda _: None).findings
        ]

    return check
