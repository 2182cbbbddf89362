import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticketctl.ai.offline.__main__ import train_bundled_models
from ticketctl.ai.offline.engine.artifact import deserialize, serialize
from ticketctl.ai.offline.engine.calibration import HeldOutPrediction, fit_calibration
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


def test_what_is_shipped_is_what_training_gives():
    assert {path.name: path.read_bytes() for path in BUNDLED_MODELS.glob("*.model")} == train_bundled_models()


def test_it_learns_and_is_surer_of_what_it_knows():
    model = train(DRINKS)
    assert model.predict("a cup of green tea in the evening").label == "tea"
    assert model.predict("one espresso for my colleague").label == "coffee"
    known, unknown = model.predict("I drink green tea today"), model.predict("the weather in Lisbon")
    assert known.in_scope
    assert known.confidence > 0.8 > unknown.confidence
    assert not unknown.in_scope


def test_the_same_texts_give_the_same_bytes():
    assert serialize(train(DRINKS)) == serialize(train(iter(DRINKS)))


def test_an_artifact_gives_back_its_model():
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
def test_a_damaged_artifact_is_refused(damage):
    with pytest.raises(InvalidInputError, match="trained model"):
        deserialize(damage(serialize(train(DRINKS))))


def test_progress_is_told_as_promised():
    steps = []
    train(DRINKS, lambda: steps.append(1))
    assert len(steps) == PROGRESS_STEPS


@pytest.mark.parametrize("rows", [[], [("a text", "one")], [("a", "one"), ("b", "one")]])
def test_fewer_than_two_labels_are_refused(rows):
    with pytest.raises(InvalidInputError, match="two different labels"):
        train(rows)


@pytest.mark.parametrize(
    "rows", [[("", "a"), ("", "b")], [("x", "a"), ("y", "b")], [("same", "a"), ("same", "b")]]
)
def test_texts_that_tell_nothing_still_give_a_model_that_claims_little(rows):
    assert train(rows).predict("anything at all").confidence <= 0.6


def test_texts_are_judged_whatever_they_hold():
    model = train(DRINKS)
    for text in ("", " ", "\x00", "tea" * 9000, "🫖" * 50, "TEA, TEA! tea?"):
        assert 0.0 <= model.predict(text).confidence <= 1.0


@given(st.text(max_size=300))
def test_vectors_are_at_most_as_long_as_one(text):
    vector = build_vocabulary(count_features(known) for known, _ in DRINKS).vectorize(
        count_features(f"green tea {text}")
    )
    assert sum(value * value for value in vector.values) <= FIXED_POINT_ONE * FIXED_POINT_ONE * 1.001
    assert len(set(vector.indices)) == len(vector.indices) == len(vector.values)


def test_confidence_is_the_share_that_was_right():
    trials = [HeldOutPrediction(0.9, 0.5, is_correct=True)] * 95 + [
        HeldOutPrediction(0.9, 0.5, is_correct=False)
    ] * 5
    trials += [HeldOutPrediction(0.3, 0.1, is_correct=True)] * 30 + [
        HeldOutPrediction(0.3, 0.1, is_correct=False)
    ] * 70
    calibration = fit_calibration(trials, 20)
    assert calibration.confidence(0.9, 0.5) == pytest.approx(0.95, abs=0.04)
    assert calibration.confidence(0.3, 0.1) == pytest.approx(0.30, abs=0.04)


@given(
    st.lists(
        st.builds(HeldOutPrediction, st.floats(-2, 2), st.floats(0, 2), st.booleans()),
        min_size=2,
        max_size=40,
    )
)
def test_a_higher_score_or_lead_never_lowers_confidence(trials):
    calibration = fit_calibration(trials, 2)
    assert calibration.score_weight >= 0
    assert calibration.margin_weight >= 0
    assert 0.0 <= calibration.confidence(1.0, 0.5) <= 1.0


def test_nothing_right_is_nothing_trusted():
    calibration = fit_calibration([HeldOutPrediction(0.9, 0.5, is_correct=False)] * 20, 2)
    assert calibration.confidence(0.9, 0.5) < 0.1
    assert calibration.min_score > 0.9


def test_texts_that_are_much_alike_are_no_strangers():
    alike = {"refund": "I want my money back for order", "bug": "The page does not load"}
    rows = [
        (f"{text} {number}\nand a second line", label)
        for number in range(12)
        for label, text in alike.items()
    ]
    model = train(rows)
    assert all(model.predict(text).in_scope for text, _ in rows)
