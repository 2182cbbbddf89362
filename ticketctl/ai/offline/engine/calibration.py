"""Turn a classifier's scores into probabilities: Platt scaling, fitted on held-out texts.

Platt, "Probabilistic outputs for support vector machines", 1999: his smoothed targets, fitted by Newton's method.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

TARGETS = (0.8, 0.85, 0.9, 0.925, 0.95, 0.97, 0.98, 0.99)
"""The precisions for which a model knows the threshold."""

_MIN_AUTOMATED = 20  # texts above a threshold: fewer prove no precision
_MAX_ITERATIONS = 50
_TOLERANCE = 1e-9
_RIDGE = 1e-3  # L2 penalty: keeps the weights finite if every held-out prediction is correct
_UNINFORMATIVE_SHARE = 0.05  # synthetic texts without any known feature, as a share of the predictions
_SCOPE_QUANTILE = 0.005  # the share of correct predictions that may score below the scope limit


_Rows = Sequence[tuple[tuple[float, ...], float]]


class HeldOutPrediction(NamedTuple):
    """A prediction for one held-out text: the best label's score, its margin over the next label, correct or not.

    `weight` is how many texts it stands for when a threshold is chosen.
    """

    score: float
    margin: float
    is_correct: bool
    weight: float = 1.0


class Calibration(NamedTuple):
    """A logistic model of "the prediction is correct". A text that scores below `min_score` is out of scope."""

    score_weight: float
    margin_weight: float
    bias: float
    min_score: float

    def confidence(self, score: float, margin: float) -> float:
        """Return the probability, 0 to 1, that the best label is correct."""
        return _sigmoid(self.score_weight * score + self.margin_weight * margin + self.bias)


def fit_calibration(predictions: Sequence[HeldOutPrediction], labels: int) -> Calibration:
    """Return the maximum-likelihood calibration in which confidence never falls as score or margin grow.

    Synthetic texts without a known feature are added: they score 0, and one in `labels` is correct by chance.
    Without them, an easily separable training set gives every text a high confidence.
    """
    # A negative weight would lower the confidence of a better score: fit again without that input.
    for use_score, use_margin in ((1.0, 1.0), (1.0, 0.0), (0.0, 1.0)):
        calibration = _fit(predictions, labels, use_score, use_margin)
        if calibration.score_weight >= 0 and calibration.margin_weight >= 0:
            return calibration
    return _fit(predictions, labels, 0.0, 0.0)


def choose_thresholds(
    calibration: Calibration, predictions: Sequence[HeldOutPrediction]
) -> tuple[tuple[float, float], ...]:
    """Return pairs of a precision and the lowest confidence from which the held-out predictions reach it.

    Precisions that they do not reach are left out.
    """
    ranked = sorted(
        (
            (calibration.confidence(p.score, p.margin), p)
            for p in predictions
            if p.score >= calibration.min_score
        ),
        key=lambda pair: -pair[0],
    )
    lowest: dict[float, float] = {}
    correct = everything = 0.0
    for confidence, prediction in ranked:
        everything += prediction.weight
        correct += prediction.weight * prediction.is_correct
        if everything >= _MIN_AUTOMATED:
            lowest |= {target: confidence for target in TARGETS if correct >= target * everything}
    return tuple((target, round(lowest[target], 4)) for target in TARGETS if target in lowest)


def _fit(
    predictions: Sequence[HeldOutPrediction], labels: int, use_score: float, use_margin: float
) -> Calibration:
    correct = sum(prediction.is_correct for prediction in predictions)
    # Platt's smoothed targets: a finite sample never proves a probability of 0 or 1.
    positive, negative = (correct + 1) / (correct + 2), 1 / (len(predictions) - correct + 2)
    rows = [
        ((p.score * use_score, p.margin * use_margin, 1.0), positive if p.is_correct else negative)
        for p in predictions
    ]
    rows += [((0.0, 0.0, 1.0), 1 / labels)] * math.ceil(len(predictions) * _UNINFORMATIVE_SHARE)
    weights = [0.0, 0.0, math.log((correct + 1) / (len(predictions) - correct + 1))]
    for _ in range(_MAX_ITERATIONS):
        weights, change = _newton_step(rows, weights)
        if change < _TOLERANCE:
            break
    score_weight, margin_weight, bias = (round(weight, 6) for weight in weights)
    return Calibration(score_weight, margin_weight, bias, _min_score(predictions))


def _min_score(predictions: Sequence[HeldOutPrediction]) -> float:
    """Return a low quantile of the scores of correct predictions, at most half of their median."""
    scores = sorted(prediction.score for prediction in predictions if prediction.is_correct)
    if not scores:
        return math.inf
    return round(min(scores[int(len(scores) * _SCOPE_QUANTILE)], scores[len(scores) // 2] / 2), 6)


def _newton_step(rows: _Rows, weights: list[float]) -> tuple[list[float], float]:
    """Take one Newton step with backtracking; return the new weights and the size of the largest change."""
    step = _solve(*_hessian_and_gradient(rows, weights))
    before, share = _loss(rows, weights), 1.0
    while True:
        updated = [weight - share * change for weight, change in zip(weights, step, strict=True)]
        if share < _TOLERANCE or _loss(rows, updated) <= before:
            return updated, share * max(map(abs, step))
        share /= 2


def _loss(rows: _Rows, weights: Sequence[float]) -> float:
    """Return the cross entropy plus the ridge penalty."""
    losses = (
        _softplus(logit) - target * logit
        for values, target in rows
        for logit in (math.fsum(w * v for w, v in zip(weights, values, strict=True)),)
    )
    return math.fsum(losses) + _RIDGE / 2 * math.fsum(weight * weight for weight in weights)


def _softplus(value: float) -> float:
    return max(value, 0.0) + math.log1p(math.exp(-abs(value)))


def _hessian_and_gradient(rows: _Rows, weights: Sequence[float]) -> tuple[list[list[float]], list[float]]:
    """Return the second and first derivatives of the loss."""
    size = len(weights)
    hessian = [[0.0] * size for _ in range(size)]
    gradient = [0.0] * size
    for values, target in rows:
        probability = _sigmoid(math.fsum(w * v for w, v in zip(weights, values, strict=True)))
        for i in range(size):
            gradient[i] += (probability - target) * values[i]
            for j in range(size):
                hessian[i][j] += probability * (1.0 - probability) * values[i] * values[j]
    for i in range(size):
        gradient[i] += _RIDGE * weights[i]
        hessian[i][i] += _RIDGE
    return hessian, gradient


def _solve(matrix: list[list[float]], vector: list[float]) -> list[float]:
    """Solve a linear system by Gauss-Jordan elimination; the matrix is positive definite, so no pivot is 0."""
    size = len(vector)
    rows = [[*row, value] for row, value in zip(matrix, vector, strict=True)]
    for pivot in range(size):
        for other in range(size):
            if other != pivot:
                factor = rows[other][pivot] / rows[pivot][pivot]
                rows[other] = [a - factor * b for a, b in zip(rows[other], rows[pivot], strict=True)]
    return [rows[pivot][size] / rows[pivot][pivot] for pivot in range(size)]


def _sigmoid(value: float) -> float:
    return 1.0 / (1.0 + math.exp(-value)) if value >= 0 else math.exp(value) / (1.0 + math.exp(value))
