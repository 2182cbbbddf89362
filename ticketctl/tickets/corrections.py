"""What people decided about categories, beside what the engine had said: to learn from, and to measure it by."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """The last decision of a person on one ticket's category, and the engine's answer before it.

    `category` and `team` are the person's. `predicted`, `confidence` (0 to 1) and `model` are the engine's;
    `predicted` is None if no category fitted. A decision that confirms the engine is a correction too.
    """

    ticket_id: int
    decided_at: datetime
    actor: str
    action: str
    subject: str
    body: str
    category: str
    team: str | None
    predicted: str | None
    confidence: float
    model: str

    @property
    def text(self) -> str:
        """Return the text that the engine had read."""
        return f"{self.subject}\n\n{self.body}" if self.body else self.subject

    @property
    def is_confirmed(self) -> bool:
        """Tell whether the person agreed with the engine."""
        return self.category == self.predicted


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How often people agreed with the engine, for one value of one field: the field is "all" for every decision."""

    field: str
    value: str
    decisions: int
    agreed: int

    @property
    def share(self) -> float:
        """Return the share of decisions, 0 to 1, that confirmed the engine."""
        return self.agreed / self.decisions


def measure_agreement(corrections: Iterable[Correction]) -> list[Agreement]:
    """Return the agreement overall, then by category, team, model and month; values in alphabetical order."""
    counts: dict[tuple[str, str], list[int]] = {}
    for correction in corrections:
        for key in _keys(correction):
            count = counts.setdefault(key, [0, 0])
            count[0] += 1
            count[1] += correction.is_confirmed
    order = ("all", "category", "team", "model", "month")
    return [
        Agreement(field=field, value=value, decisions=decisions, agreed=agreed)
        for (field, value), (decisions, agreed) in sorted(
            counts.items(), key=lambda item: (order.index(item[0][0]), item[0][1])
        )
    ]


def _keys(correction: Correction) -> Iterator[tuple[str, str]]:
    yield "all", ""
    yield "category", correction.category
    yield "team", correction.team or ""
    yield "model", correction.model
    yield "month", f"{correction.decided_at:%Y-%m}"
