"""How good a classifier is on labelled texts, and how honest its confidence."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

BINS = 15
"""Equal bins of confidence for the expected calibration error; Guo et al., 2017, use as many."""

WORST = 20
"""Confused pairs that a report names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What was said of one text. `predicted` is None where nothing fitted; `confidence` is 0 to 1."""

    text: str
    expected: str
    predicted: str | None
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelScore:
    """One label: how many of its answers are right, how many of its texts are found, and texts that it has."""

    precision: float
    recall: float
    f1: float
    tickets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """At a confidence of `value` and more: the share that needs no human, and the accuracy of that share."""

    value: float
    automated: float
    accuracy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """How often one label was taken for another; `predicted` is None where nothing fitted."""

    expected: str
    predicted: str | None
    tickets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """All shares are 0 to 1; `ece` is the expected calibration error. Confusions are the worst pairs first."""

    accuracy: float
    macro_f1: float
    ece: float
    threshold: Threshold
    labels: dict[str, LabelScore]
    confusions: list[Confusion]
    tickets: int


def evaluate_predictions(predictions: Sequence[Prediction], threshold: float) -> Evaluation:
    """The figures for at least one prediction, with what happens at a confidence threshold of 0 to 1."""
    pairs = Counter((p.expected, p.predicted) for p in predictions)
    labels = {label: _label_score(label, pairs) for label in sorted({expected for expected, _ in pairs})}
    sure = [p for p in predictions if p.predicted is not None and p.confidence >= threshold]
    wrong = sorted(
        (-times, expected, predicted or "", predicted)
        for (expected, predicted), times in pairs.items()
        if expected != predicted
    )
    return Evaluation(
        accuracy=_accuracy(predictions),
        macro_f1=math.fsum(score.f1 for score in labels.values()) / len(labels),
        ece=calibration_error(predictions),
        threshold=Threshold(
            value=threshold, automated=len(sure) / len(predictions), accuracy=_accuracy(sure)
        ),
        labels=labels,
        confusions=[
            Confusion(expected=expected, predicted=predicted, tickets=-minus)
            for minus, expected, _, predicted in wrong[:WORST]
        ],
        tickets=len(predictions),
    )


def calibration_error(predictions: Sequence[Prediction]) -> float:
    """The mean gap between confidence and accuracy over equal bins of confidence, weighted by their texts."""
    bins: dict[int, list[Prediction]] = {}
    for prediction in predictions:
        bins.setdefault(min(BINS - 1, int(prediction.confidence * BINS)), []).append(prediction)
    gaps = (abs(math.fsum(p.confidence - _is_right(p) for p in members)) for members in bins.values())
    return math.fsum(gaps) / len(predictions)


def changed_predictions(
    before: Sequence[Prediction], after: Sequence[Prediction]
) -> list[tuple[Prediction, Prediction]]:
    """The texts that both runs saw and that got another answer, in the order of the later run."""
    earlier = {p.text: p for p in before}
    both = ((earlier[p.text], p) for p in after if p.text in earlier)
    return [(old, new) for old, new in both if old.predicted != new.predicted]


def _accuracy(predictions: Sequence[Prediction]) -> float:
    """The share that is right; nothing said is nothing right."""
    return sum(map(_is_right, predictions)) / len(predictions) if predictions else 0.0


def _is_right(prediction: Prediction) -> bool:
    return prediction.predicted == prediction.expected


def _label_score(label: str, pairs: Counter[tuple[str, str | None]]) -> LabelScore:
    right = pairs[label, label]
    said = sum(times for (_, predicted), times in pairs.items() if predicted == label)
    there = sum(times for (expected, _), times in pairs.items() if expected == label)
    return LabelScore(
        precision=right / said if said else 0.0,
        recall=right / there,
        f1=2 * right / (said + there),
        tickets=there,
    )
