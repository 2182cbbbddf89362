"""How sure a score is: Platt scaling, fitted on texts that the scoring model had not seen.

Platt, "Probabilistic outputs for support vector machines", 1999; his smoothed targets and Newton's method.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

_ROUNDS = 50
_SETTLED = 1e-9
_RIDGE = 1e-3  # keeps the fit finite where every held-out text was right
_EMPTY = 0.05  # texts that tell nothing, as a share of the trials
_STRANGER_THAN = 0.005  # the share of rightly recognised texts that may fall below the scope


_Rows = Sequence[tuple[tuple[float, ...], float]]


class Trial(NamedTuple):
    """One held-out text: the best label's score, its lead over the next one, and whether it was right."""

    score: float
    lead: float
    right: bool


class Calibration(NamedTuple):
    """From a score and its lead to the share of such answers that are right; below `scope` nothing fits."""

    by_score: float
    by_lead: float
    offset: float
    scope: float

    def confidence(self, score: float, lead: float) -> float:
        """The chance, 0 to 1, that the best label is right."""
        return _logistic(self.by_score * score + self.by_lead * lead + self.offset)


def fitted(trials: Sequence[Trial], labels: int) -> Calibration:
    """The calibration under which the trials are likeliest; a higher score or lead never makes it less sure.

    Texts that tell nothing are added to the trials: they score nought, and one in `labels` is right by chance.
    Without them, a set that is easily told apart would teach that any text is.
    """
    for use_score, use_lead in ((1.0, 1.0), (1.0, 0.0), (0.0, 1.0)):
        found = _fitted(trials, labels, use_score, use_lead)
        if found.by_score >= 0 and found.by_lead >= 0:
            return found
    return _fitted(trials, labels, 0.0, 0.0)


def _fitted(trials: Sequence[Trial], labels: int, use_score: float, use_lead: float) -> Calibration:
    right = sum(trial.right for trial in trials)
    yes, no = (right + 1) / (right + 2), 1 / (len(trials) - right + 2)
    rows = [
        ((trial.score * use_score, trial.lead * use_lead, 1.0), yes if trial.right else no)
        for trial in trials
    ]
    rows += [((0.0, 0.0, 1.0), 1 / labels)] * math.ceil(len(trials) * _EMPTY)
    weights = [0.0, 0.0, math.log((right + 1) / (len(trials) - right + 1))]
    for _ in range(_ROUNDS):
        weights, moved = _nearer(rows, weights)
        if moved < _SETTLED:
            break
    by_score, by_lead, offset = (round(weight, 6) for weight in weights)
    return Calibration(by_score, by_lead, offset, _scope(trials))


def _scope(trials: Sequence[Trial]) -> float:
    """What few rightly recognised texts score less than; where all score alike, half of that."""
    scores = sorted(trial.score for trial in trials if trial.right)
    if not scores:
        return math.inf
    return round(min(scores[int(len(scores) * _STRANGER_THAN)], scores[len(scores) // 2] / 2), 6)


def _nearer(rows: _Rows, weights: list[float]) -> tuple[list[float], float]:
    """One step of Newton's, halved until it lessens the loss, and how far it went."""
    step = _solved(*_slope(rows, weights))
    before, share = _loss(rows, weights), 1.0
    while True:
        nearer = [weight - share * by for weight, by in zip(weights, step, strict=True)]
        if share < _SETTLED or _loss(rows, nearer) <= before:
            return nearer, share * max(map(abs, step))
        share /= 2


def _loss(rows: _Rows, weights: Sequence[float]) -> float:
    """The cross entropy, and the ridge."""
    losses = (
        _softplus(said) - target * said
        for values, target in rows
        for said in (math.fsum(w * v for w, v in zip(weights, values, strict=True)),)
    )
    return math.fsum(losses) + _RIDGE / 2 * math.fsum(weight * weight for weight in weights)


def _softplus(value: float) -> float:
    return max(value, 0.0) + math.log1p(math.exp(-abs(value)))


def _slope(rows: _Rows, weights: Sequence[float]) -> tuple[list[list[float]], list[float]]:
    """The second and first derivatives of the loss, with the ridge."""
    size = len(weights)
    second = [[0.0] * size for _ in range(size)]
    first = [0.0] * size
    for values, target in rows:
        said = _logistic(math.fsum(w * v for w, v in zip(weights, values, strict=True)))
        for i in range(size):
            first[i] += (said - target) * values[i]
            for j in range(size):
                second[i][j] += said * (1.0 - said) * values[i] * values[j]
    for i in range(size):
        first[i] += _RIDGE * weights[i]
        second[i][i] += _RIDGE
    return second, first


def _solved(matrix: list[list[float]], vector: list[float]) -> list[float]:
    """Gaussian elimination; the matrix is positive definite, so no pivot is zero."""
    size = len(vector)
    rows = [[*row, value] for row, value in zip(matrix, vector, strict=True)]
    for at in range(size):
        for other in range(size):
            if other != at:
                share = rows[other][at] / rows[at][at]
                rows[other] = [
                    mine - share * theirs for mine, theirs in zip(rows[other], rows[at], strict=True)
                ]
    return [rows[at][size] / rows[at][at] for at in range(size)]


def _logistic(value: float) -> float:
    return 1.0 / (1.0 + math.exp(-value)) if value >= 0 else math.exp(value) / (1.0 + math.exp(value))
