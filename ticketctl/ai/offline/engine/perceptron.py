"""Train a multi-class passive-aggressive classifier (PA-I) with averaged weights.

Crammer et al., "Online Passive-Aggressive Algorithms", JMLR 7 (2006). A feature's weights for all labels are the
64-bit lanes of one Python integer, so one multiplication serves every label. All arithmetic is on integers: the
same examples give the same model under every Python and on every machine. An example may have a dense vector too.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import add, mul
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from ticketctl.ai.offline.engine.dense import DensePerceptron, squared_norm
from ticketctl.ai.offline.engine.features import FIXED_POINT_ONE, SparseVector

if TYPE_CHECKING:
    from ticketctl.ai.offline.engine.dense import WholeNumbers

EPOCHS = 6
_LANE_BITS = 64  # holds scores beyond 100, where the required margin is 1
_AVERAGE_STEPS = 1 << 12  # resolution of an update's share in the averaged weights
_STEP_ONE = 1 << 16  # fixed-point 1.0 of a step size
_MAX_STEP = _STEP_ONE // 2  # PA-I's aggressiveness C = 0.5
_MARGIN = FIXED_POINT_ONE * FIXED_POINT_ONE * _STEP_ONE  # the required margin, 1.0 on the scale of scores


class TrainingExample(NamedTuple):
    """The vector of a text, the index of its label, and the text's dense vector if there is an embedding model."""

    vector: SparseVector
    label: int
    dense: "WholeNumbers | None" = None


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


@dataclass(frozen=True, slots=True)
class LinearWeights:
    """The weights of each sparse feature, packed, and those of the dense features if there are any."""

    sparse: list[int]
    dense: DensePerceptron | None

    @classmethod
    def zeros(cls, features: int, labels: int, dimensions: int) -> "LinearWeights":
        """Return weights of 0."""
        return cls([0] * features, DensePerceptron(labels, dimensions) if dimensions else None)

    def score_labels(self, codec: LaneCodec, example: TrainingExample) -> list[int]:
        """Return the score of each label for an example."""
        vector = example.vector
        scores = codec.unpack(sum(map(mul, vector.values, map(self.sparse.__getitem__, vector.indices))))
        if self.dense is None or example.dense is None:
            return scores
        return list(map(add, scores, self.dense.scores(example.dense)))

    def add(self, codec: LaneCodec, example: TrainingExample, update: int) -> None:
        """Add a packed update to the weights of the example's features."""
        for feature, value in zip(example.vector.indices, example.vector.values, strict=True):
            self.sparse[feature] += value * update
        if self.dense is not None and example.dense is not None:
            self.dense.add(example.dense, codec.unpack(update))


def train_perceptron(
    examples: Sequence[TrainingExample],
    features: int,
    codec: LaneCodec,
    on_epoch: Callable[[], None],
) -> tuple[LinearWeights, int]:
    """Return the averaged weights, and the integer that stands for a score of 1.0.

    `on_epoch` is called after every epoch.
    """
    dimensions = next((len(example.dense) for example in examples if example.dense is not None), 0)
    weights = LinearWeights.zeros(features, codec.labels, dimensions)
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
                weights.add(codec, examples[at], update)
            done += 1
        on_epoch()
    averaged = LinearWeights.zeros(features, codec.labels, dimensions)
    for example, total in zip(examples, totals, strict=True):
        averaged.add(codec, example, total)
    return averaged, FIXED_POINT_ONE * FIXED_POINT_ONE * _STEP_ONE * _AVERAGE_STEPS


def _compute_update(example: TrainingExample, codec: LaneCodec, weights: LinearWeights) -> int:
    """Return the packed update: plus for the correct label, minus for its strongest rival; 0 without a loss."""
    scores = weights.score_labels(codec, example)
    correct = scores[example.label]
    scores[example.label] = (
        -_MARGIN * FIXED_POINT_ONE
    )  # below any score: the correct label is not its own rival
    rival = scores.index(max(scores))
    loss = _MARGIN - correct + scores[rival]
    if loss <= 0:
        return 0
    norm = sum(map(mul, example.vector.values, example.vector.values)) + squared_norm(example.dense) or 1
    size = min(_MAX_STEP, loss // (2 * norm))
    return size * (codec.one(example.label) - codec.one(rival))
