"""What an inspection says."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Advice:
    """One thing that is known to go wrong: where, why, and what mends it.

    `file` is relative to the inspected folder; `line` is 0 for what is in no file. `breaks` is False where it goes wrong only under conditions that the
    source does not show.
    """

    file: str
    line: int
    rule: str
    cause: str
    cure: str
    breaks: bool = True

    @property
    def place(self) -> str:
        """The place as `file:line`, or just as the name of what is in no file."""
        return f"{self.file}:{self.line}" if self.line else self.file
