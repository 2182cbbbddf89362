"""The packed perceptron against a textbook implementation with fractions."""

# ruff: noqa: S311 - chance makes examples here, not secrets
import random
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticketctl.ai.offline.engine.features import FIXED_POINT_ONE, SparseVector
from ticketctl.ai.offline.engine.perceptron import (
    EPOCHS,
    LaneCodec,
    TrainingExample,
    train_perceptron,
)

STEP = 1 << 16


@given(st.lists(st.integers(-(1 << 62), (1 << 62)), min_size=1, max_size=9))
def test_lanes_unpack_to_the_packed_numbers(numbers):
    codec = LaneCodec(len(numbers))
    assert codec.unpack(sum(n * codec.one(at) for at, n in enumerate(numbers))) == numbers


def examples(seed, count, features, labels):
    chance = random.Random(seed)
    made = []
    for _ in range(count):
        chosen = sorted(chance.sample(range(features), 3))
        label = chosen[0] % labels if chance.random() < 0.8 else chance.randrange(labels)
        made.append(
            TrainingExample(
                SparseVector(chosen, [chance.randint(1, FIXED_POINT_ONE // 2) for _ in chosen]), label
            )
        )
    return made


def textbook(made, features, labels):
    """Return the averaged weights of PA-I as Crammer et al. define it."""
    weights = [[Fraction(0)] * labels for _ in range(features)]
    total = [[Fraction(0)] * labels for _ in range(features)]
    order = list(range(len(made)))
    chance = random.Random(0)
    steps = 0
    for _ in range(EPOCHS):
        chance.shuffle(order)
        for at in order:
            (chosen, values), right = made[at].vector, made[at].label
            point = {f: Fraction(v, FIXED_POINT_ONE) for f, v in zip(chosen, values, strict=True)}
            scored = [sum(x * weights[f][label] for f, x in point.items()) for label in range(labels)]
            rival = max((label for label in range(labels) if label != right), key=lambda n: (scored[n], -n))
            loss = 1 - scored[right] + scored[rival]
            if loss > 0:
                size = min(Fraction(1, 2), loss / (2 * sum(x * x for x in point.values())))
                size = Fraction(int(size * STEP), STEP)
                for f, x in point.items():
                    weights[f][right] += size * x
                    weights[f][rival] -= size * x
            steps += 1
            for f in range(features):
                for label in range(labels):
                    total[f][label] += weights[f][label]
    return [[weight / steps for weight in row] for row in total]


def test_packed_perceptron_equals_the_textbook_version():
    made = examples(7, 40, 12, 4)
    codec = LaneCodec(4)
    weights, one = train_perceptron(made, 12, codec, lambda: None)
    expected = textbook(made, 12, 4)
    for feature, row in enumerate(expected):
        alone = weights.score_labels(codec, TrainingExample(SparseVector([feature], [FIXED_POINT_ONE]), 0))
        assert [score / one for score in alone] == pytest.approx([float(weight) for weight in row], abs=1e-3)


def test_dense_features_are_learnt_as_sparse_ones_are():
    made = examples(7, 40, 12, 4)
    dense = [
        TrainingExample(SparseVector([], []), example.label, np.zeros(12, dtype=np.int64)) for example in made
    ]
    for example, twin in zip(made, dense, strict=True):
        twin.dense[example.vector.indices] = example.vector.values
    codec = LaneCodec(4)
    weights, _ = train_perceptron(made, 12, codec, lambda: None)
    twins, _ = train_perceptron(dense, 0, codec, lambda: None)
    assert [weights.score_labels(codec, example) for example in made] == [
        twins.score_labels(codec, twin) for twin in dense
    ]


def test_progress_is_reported_after_every_epoch():
    steps = []
    train_perceptron(examples(1, 5, 6, 2), 6, LaneCodec(2), lambda: steps.append(1))
    assert len(steps) == EPOCHS


def test_large_training_set_does_not_overflow_a_lane():
    """Ten thousand equal texts: the weights converge and no lane overflows into the next."""
    same = [
        TrainingExample(SparseVector([0], [FIXED_POINT_ONE]), 0),
        TrainingExample(SparseVector([1], [FIXED_POINT_ONE]), 1),
    ] * 5_000
    codec = LaneCodec(2)
    weights, one = train_perceptron(same, 2, codec, lambda: None)
    first, second = weights.score_labels(codec, same[0])
    assert (first / one, second / one) == pytest.approx((0.5, -0.5), abs=0.01)
