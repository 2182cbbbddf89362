"""A trained classifier: one byte for each pair of feature and label, and how far its scores may be trusted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from struct import Struct
from typing import NamedTuple

from ticketctl.ai.offline.engine.calibration import Calibration
from ticketctl.ai.offline.engine.features import Vector, Vocabulary, counts

MIDDLE = 128
"""The byte that stands for a weight of nought."""

_KEPT = 4096  # rows: the words of a few hundred tickets
_LANE = 4  # bytes: room for a byte times the values of any vector, whose length is ONE


class Judgement(NamedTuple):
    """The best label, its score, its lead over the next one, and the chance, 0 to 1, that it is right."""

    label: str
    score: float
    lead: float
    confidence: float
    in_scope: bool


@dataclass(frozen=True)
class Model:
    """`rows` has a row of bytes for each feature, one for each label; `unit` is what one step scores."""

    labels: tuple[str, ...]
    vocabulary: Vocabulary
    rows: bytes
    unit: float
    calibration: Calibration

    def judge(self, text: str) -> Judgement:
        """Say which label fits a text best, and how sure that is."""
        scores = self.scores(self.vocabulary.vector(counts(text)))
        best = max(range(len(scores)), key=scores.__getitem__)
        score, lead = scores[best], lead_of(scores, best)
        return Judgement(
            label=self.labels[best],
            score=score,
            lead=lead,
            confidence=self.calibration.confidence(score, lead),
            in_scope=score >= self.calibration.scope,
        )

    def scores(self, vector: Vector) -> list[float]:
        """What each label scores. All labels are summed at once, as the lanes of one integer."""
        row = self._row
        total = sum(
            row(feature) * value for feature, value in zip(vector.features, vector.values, strict=True)
        )
        nought = MIDDLE * sum(vector.values)
        lanes = self._lanes.unpack(total.to_bytes(self._lanes.size, "little"))
        return [(lane - nought) * self.unit for lane in lanes]

    @cached_property
    def _row(self) -> Callable[[int], int]:
        """A feature's row as one integer, a lane for each label; tickets say the same words again and again."""
        width = len(self.labels)

        def row(feature: int) -> int:
            spread = bytearray(width * _LANE)
            spread[::_LANE] = self.rows[feature * width : (feature + 1) * width]
            return int.from_bytes(spread, "little")

        return lru_cache(maxsize=_KEPT)(row)

    @cached_property
    def _lanes(self) -> Struct:
        return Struct(f"<{len(self.labels)}I")


def lead_of(scores: Sequence[float], best: int) -> float:
    """How far the best score is ahead of the next one; of one label, the score itself."""
    others = [score for at, score in enumerate(scores) if at != best]
    return scores[best] - max(others) if others else scores[best]
