"""The table [tool.ticketctl.doctor] of a project's pyproject.toml: which rules and files count."""

import tomllib
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from ticketctl.warmstart.static_analysis.finding import SourceFinding

KEYS = ("select", "ignore", "exclude")


class DoctorConfigError(Exception):
    """The table cannot be used; the text says which entry is wrong."""


@dataclass(frozen=True, slots=True)
class DoctorConfig:
    """What counts: with `select` only those rules, never the rules of `ignore`, and no file that matches `exclude`.

    The patterns of `exclude` are shell patterns for paths relative to the project's folder.
    """

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def override(self, *, select: tuple[str, ...], ignore: tuple[str, ...]) -> "DoctorConfig":
        """Return the configuration with the options of the command line: `select` replaces, `ignore` adds."""
        return replace(self, select=select or self.select, ignore=self.ignore + ignore)

    def applies_to(self, finding: SourceFinding) -> bool:
        """Return whether a finding counts."""
        is_selected = not self.select or finding.rule in self.select
        is_excluded = any(fnmatch(finding.file, pattern) for pattern in self.exclude)
        return is_selected and finding.rule not in self.ignore and not is_excluded


def read_config(folder: Path) -> DoctorConfig:
    """Return the configuration of a project's folder. Raises DoctorConfigError."""
    file = folder / "pyproject.toml"
    if not file.is_file():
        return DoctorConfig()
    try:
        document = tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DoctorConfigError(f"{file} is not valid TOML: {error}") from None
    table: Any = document.get("tool", {})
    for name in ("ticketctl", "doctor"):
        table = table.get(name, {}) if isinstance(table, dict) else {}
    values = {}
    for key, value in table.items():
        if key not in KEYS:
            raise DoctorConfigError(
                f"{file}: [tool.ticketctl.doctor] has no key {key!r}, only {', '.join(KEYS)}"
            )
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise DoctorConfigError(f"{file}: {key} in [tool.ticketctl.doctor] must be a list of strings")
        values[key] = tuple(value)
    return DoctorConfig(**values)
