"""`.github/docs/settings.md` lists each setting as the program describes it."""

from dataclasses import fields
from pathlib import Path

from ticketctl.settings import PREFIX, Settings

DOCUMENT = Path(__file__).parents[2] / ".github" / "docs" / "settings.md"


def test_it_lists_each_setting_with_its_default_and_meaning() -> None:
    rows = [
        f"| `{PREFIX}{setting.name.upper()}` | {show_default(setting.default)} | {setting.metadata['meaning']} |"
        for setting in fields(Settings)
    ]
    listed = [line for line in DOCUMENT.read_text("utf-8").splitlines() if line.startswith(f"| `{PREFIX}")]
    assert listed == rows


def show_default(value: object) -> str:
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"
