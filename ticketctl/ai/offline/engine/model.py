"""A trained linear classifier with 8-bit weights and a calibrated confidence."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from operator import add
from struct import Struct
from typing import NamedTuple

from ticketctl.ai.offline.engine.calibration import Calibration
from ticketctl.ai.offline.engine.dense import DenseWeights, Encoder
from ticketctl.ai.offline.engine.features import SparseVector, Vocabulary, count_features
from ticketctl.errors import ConfigError

ZERO_POINT = 128
"""The byte that stands for a weight of 0."""

_CACHED_ROWS = 4096  # enough for the words of a few hundred tickets
_LANE_BYTES = 4  # the sum of byte times value over any vector fits: its norm is at most FIXED_POINT_ONE


class ScoredLabel(NamedTuple):
    """The best label, its score, its margin over the next label, and the probability (0 to 1) that it is correct."""

    label: str
    score: float
    margin: float
    confidence: float
    in_scope: bool


@dataclass(frozen=True)
class Model:
    """A linear classifier. `weights` has a row for each feature with a byte for each label; `scale` is one step.

    `thresholds` are pairs of a precision, ascending, and the confidence from which held-out texts reached it. A model
    that was trained with embeddings has `dense` weights, and predicts only with their `encoder`.
    """

    labels: tuple[str, ...]
    vocabulary: Vocabulary
    weights: bytes
    scale: float
    calibration: Calibration
    thresholds: tuple[tuple[float, float], ...] = ()
    dense: DenseWeights | None = None
    encoder: Encoder | None = field(default=None, repr=False, compare=False)

    def with_encoder(self, encoder: Encoder | None) -> "Model":
        """Return this model with the encoder that it needs.

        Raises:
            ConfigError: It was trained with an embedding model, and the encoder is none or another one.
        """
        if self.dense is None:
            return self
        hint = "set TICKETCTL_AI_EMBEDDINGS to the folder of that model, or train again"
        if encoder is None:
            raise ConfigError(
                f"the trained model needs the embedding model {self.dense.model} that it was trained with",
                hint=hint,
            )
        if encoder.digest != self.dense.digest:
            raise ConfigError(
                f"the trained model needs the embedding model {self.dense.model} that it was trained with, "
                f"not {encoder.name} with other files",
                hint=hint,
            )
        return replace(self, encoder=encoder)

    def predict(self, text: str, *, unless: str | None = None) -> ScoredLabel:
        """Return the best label for a text, with its confidence; `unless` is a label that may not be the best."""
        scores = self.scores(self.vocabulary.vectorize(count_features(text)))
        if self.dense is not None and self.encoder is not None:
            scores = list(map(add, scores, self.dense.scores(self.encoder.encode(text))))
        candidates = [at for at, label in enumerate(self.labels) if label != unless]
        best = max(candidates, key=scores.__getitem__)
        score, margin = scores[best], compute_margin(scores, best)
        return ScoredLabel(
            label=self.labels[best],
            score=score,
            margin=margin,
            confidence=self.calibration.confidence(score, margin),
            in_scope=score >= self.calibration.min_score,
        )

    def threshold_for(self, precision: float) -> float | None:
        """Return the confidence from which held-out texts reached a precision, or None if they never did."""
        return next((confidence for target, confidence in self.thresholds if target >= precision), None)

    def scores(self, vector: SparseVector) -> list[float]:
        """Return the score of each label from the word features.

        The row of a feature is one integer with a 32-bit lane for each label: a single multiplication and
        addition per feature serves all labels. The zero point is subtracted from the sums at the end.
        """
        row = self._row
        total = sum(
            row(feature) * value for feature, value in zip(vector.indices, vector.values, strict=True)
        )
        zero = ZERO_POINT * sum(vector.values)
        lanes = self._lanes.unpack(total.to_bytes(self._lanes.size, "little"))
        return [(lane - zero) * self.scale for lane in lanes]

    @cached_property
    def _row(self) -> Callable[[int], int]:
        """Return a cached function from a feature to its row of weights as one integer."""
        width = len(self.labels)

        def row(feature: int) -> int:
            spread = bytearray(width * _LANE_BYTES)
            spread[::_LANE_BYTES] = self.weights[feature * width : (feature + 1) * width]
            return int.from_bytes(spread, "little")

        return lru_cache(maxsize=_CACHED_ROWS)(row)

    @cached_property
    def _lanes(self) -> Struct:
        return Struct(f"<{len(self.labels)}I")


def compute_margin(scores: Sequence[float], best: int) -> float:
    """Return the difference between the best score and the next one; for a single label, its score.

    It is negative if another label has a better score.
    """
    others = [score for at, score in enumerate(scores) if at != best]
    return scores[best] - max(others) if others else scores[best]
