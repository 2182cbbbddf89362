import pytest

from ticketctl.ai.evaluation.metrics import (
    Prediction,
    calibration_error,
    changed_predictions,
    evaluate_predictions,
)


def prediction(expected, predicted, confidence, text="t"):
    return Prediction(text=text, expected=expected, predicted=predicted, confidence=confidence)


PREDICTIONS = [
    prediction("a", "a", 0.9),
    prediction("a", "a", 0.8),
    prediction("a", "b", 0.7),
    prediction("b", "b", 0.95),
    prediction("b", None, 0.0),
]


def test_the_metrics_of_a_small_example():
    found = evaluate_predictions(PREDICTIONS, 0.75)
    assert (found.accuracy, found.tickets) == (0.6, 5)
    assert (found.labels["a"].precision, found.labels["a"].recall) == (1.0, pytest.approx(2 / 3))
    assert (found.labels["b"].precision, found.labels["b"].recall, found.labels["b"].tickets) == (0.5, 0.5, 2)
    assert found.macro_f1 == pytest.approx((0.8 + 0.5) / 2)
    assert (found.threshold.automated, found.threshold.accuracy) == (0.6, 1.0)
    assert [(c.expected, c.predicted, c.tickets) for c in found.confusions] == [("a", "b", 1), ("b", None, 1)]


def test_the_worst_confusion_comes_first():
    found = evaluate_predictions([prediction("a", "b", 0.5), *[prediction("b", "a", 0.5)] * 3], 0.5)
    assert [(c.expected, c.predicted, c.tickets) for c in found.confusions] == [("b", "a", 3), ("a", "b", 1)]


def test_calibrated_confidence_has_no_calibration_error():
    honest = [prediction("a", "a", 0.75)] * 3 + [prediction("a", "b", 0.75)]
    boastful = [prediction("a", "b", 1.0)] * 4
    assert calibration_error(honest) == pytest.approx(0.0)
    assert calibration_error(boastful) == pytest.approx(1.0)


def test_without_automated_tickets_their_accuracy_is_zero():
    assert evaluate_predictions([prediction("a", "a", 0.1)], 0.5).threshold.accuracy == 0.0


def test_changed_predictions_between_two_runs():
    before = [
        prediction("a", "a", 0.9, "one"),
        prediction("a", "b", 0.9, "two"),
        prediction("a", "a", 0.9, "gone"),
    ]
    after = [
        prediction("a", "b", 0.9, "one"),
        prediction("a", "b", 0.1, "two"),
        prediction("a", "a", 0.9, "new"),
    ]
    assert changed_predictions(before, after) == [(before[0], after[0])]
