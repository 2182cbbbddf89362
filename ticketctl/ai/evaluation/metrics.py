"""Measure a classifier on labelled texts: accuracy, F1, confusion and calibration."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

BINS = 15
"""Equal bins of confidence for the expected calibration error, as many as Guo et al., 2017, use."""

MAX_CONFUSIONS = 20
"""Confused pairs that a report lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """The category predicted for one text. `predicted` is None if no category fits; `confidence` is 0 to 1."""

    text: str
    expected: str
    predicted: str | None
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelScore:
    """Precision, recall and F1 of one label, and the number of texts with that label."""

    precision: float
    recall: float
    f1: float
    tickets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """The share of texts whose confidence is at least `value`, and the accuracy of that share."""

    value: float
    automated: float
    accuracy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """How often one label was predicted for another; `predicted` is None if no category fits."""

    expected: str
    predicted: str | None
    tickets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The figures of one evaluation. Shares are 0 to 1; `ece` is the expected calibration error.

    `confusions` lists the most frequent pairs first.
    """

    accuracy: float
    macro_f1: float
    ece: float
    threshold: Threshold
    labels: dict[str, LabelScore]
    confusions: list[Confusion]
    tickets: int


def evaluate_predictions(predictions: Sequence[Prediction], threshold: float) -> Evaluation:
    """Return the figures for one or more predictions; `threshold` is a confidence of 0 to 1."""
    pairs = Counter((p.expected, p.predicted) for p in predictions)
    labels = {label: _label_score(label, pairs) for label in sorted({expected for expected, _ in pairs})}
    automated = [p for p in predictions if p.predicted is not None and p.confidence >= threshold]
    confusions = sorted(
        (-times, expected, predicted or "", predicted)
        for (expected, predicted), times in pairs.items()
        if expected != predicted
    )
    return Evaluation(
        accuracy=_accuracy(predictions),
        macro_f1=math.fsum(score.f1 for score in labels.values()) / len(labels),
        ece=calibration_error(predictions),
        threshold=Threshold(
            value=threshold, automated=len(automated) / len(predictions), accuracy=_accuracy(automated)
        ),
        labels=labels,
        confusions=[
            Confusion(expected=expected, predicted=predicted, tickets=-minus)
            for minus, expected, _, predicted in confusions[:MAX_CONFUSIONS]
        ],
        tickets=len(predictions),
    )


def calibration_error(predictions: Sequence[Prediction]) -> float:
    """Return the mean gap between confidence and accuracy over equal bins of confidence, weighted by their texts."""
    bins: dict[int, list[Prediction]] = {}
    for prediction in predictions:
        bins.setdefault(min(BINS - 1, int(prediction.confidence * BINS)), []).append(prediction)
    gaps = (abs(math.fsum(p.confidence - _is_correct(p) for p in members)) for members in bins.values())
    return math.fsum(gaps) / len(predictions)


def changed_predictions(
    before: Sequence[Prediction], after: Sequence[Prediction]
) -> list[tuple[Prediction, Prediction]]:
    """Return the predictions that differ between two runs, for texts in both, in the order of the later run."""
    earlier = {p.text: p for p in before}
    both = ((earlier[p.text], p) for p in after if p.text in earlier)
    return [(old, new) for old, new in both if old.predicted != new.predicted]


def _accuracy(predictions: Sequence[Prediction]) -> float:
    """Return the share of correct predictions; 0 if there are none."""
    return sum(map(_is_correct, predictions)) / len(predictions) if predictions else 0.0


def _is_correct(prediction: Prediction) -> bool:
    return prediction.predicted == prediction.expected


def _label_score(label: str, pairs: Counter[tuple[str, str | None]]) -> LabelScore:
    correct = pairs[label, label]
    predicted_as = sum(times for (_, predicted), times in pairs.items() if predicted == label)
    tickets = sum(times for (expected, _), times in pairs.items() if expected == label)
    return LabelScore(
        precision=correct / predicted_as if predicted_as else 0.0,
        recall=correct / tickets,
        f1=2 * correct / (predicted_as + tickets),
        tickets=tickets,
    )
