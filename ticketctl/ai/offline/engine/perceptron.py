"""The learner: a multi-class passive-aggressive classifier (PA-I), averaged over its steps.

Crammer et al., "Online Passive-Aggressive Algorithms", JMLR 7 (2006). The weights that a feature has for all
labels are the 64-bit lanes of one integer, so that one multiplication serves every label, and the sums are
exact: the same examples give the same model, to the last digit, under every Python and on every machine.
"""

import random
from collections.abc import Callable, Sequence
from operator import mul
from struct import Struct
from typing import NamedTuple

from ticketctl.ai.offline.engine.features import ONE, Vector

EPOCHS = 6
_LANE = 64  # bits: room for scores of more than a hundred, where one is what the right label must lead by
_PARTS = 1 << 12  # how finely a step's share in the average is told
_STEP = 1 << 16  # the size of a step, as a fixed-point number
_LARGEST = _STEP // 2  # C of PA-I: 0.5
_MARGIN = ONE * ONE * _STEP  # what the right label must lead by: 1.0 on the scale of scores


class Example(NamedTuple):
    """A text as a vector, and the number of its label."""

    vector: Vector
    label: int


class Lanes:
    """Packs one signed number a label into a single integer."""

    def __init__(self, labels: int) -> None:
        self.labels = labels
        self._struct = Struct(f"<{labels}Q")
        self._middle = sum(1 << (_LANE * label + _LANE - 1) for label in range(labels))

    def unit(self, label: int) -> int:
        """One in the label's lane."""
        return 1 << (_LANE * label)

    def unpacked(self, packed: int) -> list[int]:
        """The lanes' signed numbers."""
        middle = 1 << (_LANE - 1)
        data = (packed + self._middle).to_bytes(self._struct.size, "little")
        return [lane - middle for lane in self._struct.unpack(data)]


def scores(lanes: Lanes, weights: Sequence[int], vector: Vector) -> list[int]:
    """What each label scores for a vector."""
    return lanes.unpacked(sum(map(mul, vector.values, map(weights.__getitem__, vector.features))))


def trained(
    examples: Sequence[Example], features: int, lanes: Lanes, step: Callable[[], None]
) -> tuple[list[int], int]:
    """The averaged weights of each feature, packed, and the number that stands for 1.0 in their scores.

    `step` is called after every epoch.
    """
    weights = [0] * features
    steps = EPOCHS * len(examples)
    pull = [0] * len(examples)
    order = list(range(len(examples)))
    shuffle = random.Random(0).shuffle  # noqa: S311  (an order, not a secret)
    done = 0
    for _ in range(EPOCHS):
        shuffle(order)
        for at in order:
            moved = _correction(examples[at], lanes, weights)
            if moved:
                pull[at] += (steps - done) * _PARTS // steps * moved
                _pulled(weights, examples[at].vector, moved)
            done += 1
        step()
    averaged = [0] * features
    for example, whole in zip(examples, pull, strict=True):
        _pulled(averaged, example.vector, whole)
    return averaged, ONE * ONE * _STEP * _PARTS


def _correction(example: Example, lanes: Lanes, weights: Sequence[int]) -> int:
    """What the example's features gain for its own label and lose for the strongest other one; 0 where all is well."""
    scored = scores(lanes, weights, example.vector)
    right = scored[example.label]
    scored[example.label] = -_MARGIN * ONE
    rival = scored.index(max(scored))
    loss = _MARGIN - right + scored[rival]
    if loss <= 0:
        return 0
    length = sum(map(mul, example.vector.values, example.vector.values)) or 1
    size = min(_LARGEST, loss // (2 * length))
    return size * (lanes.unit(example.label) - lanes.unit(rival))


def _pulled(weights: list[int], vector: Vector, by: int) -> None:
    for feature, value in zip(vector.features, vector.values, strict=True):
        weights[feature] += value * by
