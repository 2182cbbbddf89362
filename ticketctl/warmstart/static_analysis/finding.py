"""A finding of the static analysis."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class SourceFinding:
    """One problem in the source: where it is, why it happens, and how to fix it.

    file: relative to the analyzed folder; the name of a setting or a variable where `line` is 0.
    breaks: False where the problem only shows under conditions that the source does not show.
    """

    file: str
    line: int
    rule: str
    cause: str
    fix: str
    breaks: bool = True

    @property
    def place(self) -> str:
        """Return the place as `file:line`, or the name alone where there is no line."""
        return f"{self.file}:{self.line}" if self.line else self.file

    def to_json(self) -> dict[str, Any]:
        """Return the finding as JSON; the key of `fix` is "cure"."""
        return {
            "file": self.file,
            "line": self.line,
            "rule": self.rule,
            "cause": self.cause,
            "cure": self.fix,
            "breaks": self.breaks,
        }
