"""Train a multi-class passive-aggressive classifier (PA-I) with averaged weights.

Crammer et al., "Online Passive-Aggressive Algorithms", JMLR 7 (2006). A feature's weights for all labels are the
64-bit lanes of one Python integer, so one multiplication serves every label. All arithmetic is on integers: the
same examples give the same model under every Python and on every machine.
"""

import random
from collections.abc import Callable, Sequence
from operator import mul
from struct import Struct
from typing import NamedTuple

from ticketctl.ai.offline.engine.features import FIXED_POINT_ONE, SparseVector

EPOCHS = 6
_LANE_BITS = 64  # holds scores beyond 100, where the required margin is 1
_AVERAGE_STEPS = 1 << 12  # resolution of an update's share in the averaged weights
_STEP_ONE = 1 << 16  # fixed-point 1.0 of a step size
_MAX_STEP = _STEP_ONE // 2  # PA-I's aggressiveness C = 0.5
_MARGIN = FIXED_POINT_ONE * FIXED_POINT_ONE * _STEP_ONE  # the required margin, 1.0 on the scale of scores


class TrainingExample(NamedTuple):
    """The vector of a text, and the index of its label."""

    vector: SparseVector
    label: int


class LaneCodec:
    """Packs one signed number for each label into a single integer, and unpacks it.

    A negative lane borrows from the lane above. `unpack` adds half of the range to every lane first, which makes
    all lanes positive and undoes the borrowing.
    """

    def __init__(self, labels: int) -> None:
        self.labels = labels
        self._struct = Struct(f"<{labels}Q")
        self._bias = sum(1 << (_LANE_BITS * label + _LANE_BITS - 1) for label in range(labels))

    def one(self, label: int) -> int:
        """Return the integer with 1 in the label's lane and 0 elsewhere."""
        return 1 << (_LANE_BITS * label)

    def unpack(self, packed: int) -> list[int]:
        """Return the signed number of each lane."""
        bias = 1 << (_LANE_BITS - 1)
        data = (packed + self._bias).to_bytes(self._struct.size, "little")
        return [lane - bias for lane in self._struct.unpack(data)]


def score_labels(codec: LaneCodec, weights: Sequence[int], vector: SparseVector) -> list[int]:
    """Return the score of each label for a vector."""
    return codec.unpack(sum(map(mul, vector.values, map(weights.__getitem__, vector.indices))))


def train_perceptron(
    examples: Sequence[TrainingExample], features: int, codec: LaneCodec, on_epoch: Callable[[], None]
) -> tuple[list[int], int]:
    """Return the averaged weights of each feature, packed, and the integer that stands for a score of 1.0.

    `on_epoch` is called after every epoch.
    """
    weights = [0] * features
    steps = EPOCHS * len(examples)
    totals = [0] * len(examples)  # the sum of each example's updates, weighted by the steps that they survive
    order = list(range(len(examples)))
    shuffle = random.Random(0).shuffle  # noqa: S311  (an order, not a secret)
    done = 0
    for _ in range(EPOCHS):
        shuffle(order)
        for at in order:
            update = _compute_update(examples[at], codec, weights)
            if update:
                totals[at] += (steps - done) * _AVERAGE_STEPS // steps * update
                _add(weights, examples[at].vector, update)
            done += 1
        on_epoch()
    averaged = [0] * features
    for example, total in zip(examples, totals, strict=True):
        _add(averaged, example.vector, total)
    return averaged, FIXED_POINT_ONE * FIXED_POINT_ONE * _STEP_ONE * _AVERAGE_STEPS


def _compute_update(example: TrainingExample, codec: LaneCodec, weights: Sequence[int]) -> int:
    """Return the packed update: plus for the correct label, minus for its strongest rival; 0 without a loss."""
    scores = score_labels(codec, weights, example.vector)
    correct = scores[example.label]
    scores[example.label] = (
        -_MARGIN * FIXED_POINT_ONE
    )  # below any score: the correct label is not its own rival
    rival = scores.index(max(scores))
    loss = _MARGIN - correct + scores[rival]
    if loss <= 0:
        return 0
    squared_norm = sum(map(mul, example.vector.values, example.vector.values)) or 1
    size = min(_MAX_STEP, loss // (2 * squared_norm))
    return size * (codec.one(example.label) - codec.one(rival))


def _add(weights: list[int], vector: SparseVector, update: int) -> None:
    for feature, value in zip(vector.indices, vector.values, strict=True):
        weights[feature] += value * update
