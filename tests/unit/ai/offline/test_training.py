import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticketctl.ai.offline.__main__ import train_bundled_models
from ticketctl.ai.offline.engine.artifact import deserialize, serialize
from ticketctl.ai.offline.engine.calibration import (
    Calibration,
    HeldOutPrediction,
    choose_thresholds,
    fit_calibration,
)
from ticketctl.ai.offline.engine.features import FIXED_POINT_ONE, build_vocabulary, count_features
from ticketctl.ai.offline.engine.model_store import BUNDLED_MODELS
from ticketctl.ai.offline.engine.training import PROGRESS_STEPS, train
from ticketctl.errors import InvalidInputError

DRINKS = [
    (f"{verb} {drink} {when}", label)
    for label, drinks in (("tea", ("green tea", "black tea")), ("coffee", ("an espresso", "a coffee")))
    for verb in ("I drink", "please bring me", "where can I buy", "we like")
    for drink in drinks
    for when in ("today", "in the morning", "now")
]


def test_bundled_models_equal_freshly_trained_ones():
    assert {path.name: path.read_bytes() for path in BUNDLED_MODELS.iterdir()} == train_bundled_models()


def test_confidence_is_higher_in_scope():
    model = train(DRINKS)
    assert model.predict("a cup of green tea in the evening").label == "tea"
    assert model.predict("one espresso for my colleague").label == "coffee"
    known, unknown = model.predict("I drink green tea today"), model.predict("the weather in Lisbon")
    assert known.in_scope
    assert known.confidence > 0.8 > unknown.confidence
    assert not unknown.in_scope


def test_training_is_deterministic():
    assert serialize(train(DRINKS)) == serialize(train(iter(DRINKS)))


def test_artifact_round_trip():
    model = train(DRINKS)
    assert deserialize(serialize(model)) == model


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:0],
        lambda data: b"PK" + data,
        lambda data: data[:-20],
        lambda data: data[:40] + b"\x00\x00" + data[42:],
        lambda data: data.split(b"\n")[0] + b"\n",
    ],
)
def test_damaged_artifact_is_rejected(damage):
    with pytest.raises(InvalidInputError, match="trained model"):
        deserialize(damage(serialize(train(DRINKS))))


def test_progress_is_reported_as_often_as_promised():
    steps = []
    train(DRINKS, lambda: steps.append(1))
    assert len(steps) == PROGRESS_STEPS


@pytest.mark.parametrize("rows", [[], [("a text", "one")], [("a", "one"), ("b", "one")]])
def test_fewer_than_two_labels_are_rejected(rows):
    with pytest.raises(InvalidInputError, match="two different labels"):
        train(rows)


@pytest.mark.parametrize(
    "rows", [[("", "a"), ("", "b")], [("x", "a"), ("y", "b")], [("same", "a"), ("same", "b")]]
)
def test_uninformative_texts_give_a_model_of_low_confidence(rows):
    assert train(rows).predict("anything at all").confidence <= 0.6


def test_any_text_can_be_classified():
    model = train(DRINKS)
    for text in ("", " ", "\x00", "tea" * 9000, "🫖" * 50, "TEA, TEA! tea?"):
        assert 0.0 <= model.predict(text).confidence <= 1.0


@given(st.text(max_size=300))
def test_norm_of_a_vector_is_at_most_one(text):
    vector = build_vocabulary(count_features(known) for known, _ in DRINKS).vectorize(
        count_features(f"green tea {text}")
    )
    assert sum(value * value for value in vector.values) <= FIXED_POINT_ONE * FIXED_POINT_ONE * 1.001
    assert len(set(vector.indices)) == len(vector.indices) == len(vector.values)


def test_confidence_equals_the_share_of_correct_predictions():
    predictions = [HeldOutPrediction(0.9, 0.5, is_correct=True)] * 95 + [
        HeldOutPrediction(0.9, 0.5, is_correct=False)
    ] * 5
    predictions += [HeldOutPrediction(0.3, 0.1, is_correct=True)] * 30 + [
        HeldOutPrediction(0.3, 0.1, is_correct=False)
    ] * 70
    calibration = fit_calibration(predictions, 20)
    assert calibration.confidence(0.9, 0.5) == pytest.approx(0.95, abs=0.04)
    assert calibration.confidence(0.3, 0.1) == pytest.approx(0.30, abs=0.04)


@given(
    st.lists(
        st.builds(HeldOutPrediction, st.floats(-2, 2), st.floats(0, 2), st.booleans()),
        min_size=2,
        max_size=40,
    )
)
def test_higher_score_or_margin_never_lowers_confidence(predictions):
    calibration = fit_calibration(predictions, 2)
    assert calibration.score_weight >= 0
    assert calibration.margin_weight >= 0
    assert 0.0 <= calibration.confidence(1.0, 0.5) <= 1.0


def test_no_correct_prediction_gives_low_confidence():
    calibration = fit_calibration([HeldOutPrediction(0.9, 0.5, is_correct=False)] * 20, 2)
    assert calibration.confidence(0.9, 0.5) < 0.1
    assert calibration.min_score > 0.9


def test_similar_training_texts_are_in_scope():
    alike = {"refund": "I want my money back for order", "bug": "The page does not load"}
    rows = [
        (f"{text} {number}\nand a second line", label)
        for number in range(12)
        for label, text in alike.items()
    ]
    model = train(rows)
    assert all(model.predict(text).in_scope for text, _ in rows)


def test_thresholds_are_the_lowest_confidences_that_reach_a_precision():
    identity = Calibration(score_weight=1.0, margin_weight=0.0, bias=0.0, min_score=-10.0)
    sure = [HeldOutPrediction(3.0, 0.0, is_correct=True)] * 90
    doubtful = [HeldOutPrediction(1.0, 0.0, is_correct=False, weight=5.0)] * 2
    thresholds = dict(choose_thresholds(identity, [*doubtful, *sure]))
    assert thresholds[0.9] == pytest.approx(identity.confidence(1.0, 0.0), abs=1e-3)
    assert thresholds[0.95] == pytest.approx(identity.confidence(3.0, 0.0), abs=1e-3)
    assert dict(choose_thresholds(identity, doubtful * 20)) == {}
    model = dataclasses.replace(train(DRINKS), thresholds=((0.9, 0.7), (0.95, 0.8)))
    assert [model.threshold_for(target) for target in (0.5, 0.92, 0.99)] == [0.7, 0.8, None]
    assert deserialize(serialize(model)) == model
