"""Predict a label from the signals of a text: logistic regression with a weight for each pair of signal and label."""

import json
import logging
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

from ticketctl.ai.offline.engine.model_store import (
    BUNDLED_MODELS,
    DIGEST_LENGTH,
    LabelledTexts,
    save_model,
)
from ticketctl.ai.taxonomy.schema import json_digest

VERSION = "1"
"""Increase it whenever the same training set would give another model: with new phrases, for example."""

SENTIMENT_MODEL = "sentiment.signals"
"""The file of the model of sentiments; no taxonomy changes them."""

_ITERATIONS = 300
_DIGITS = 3  # of a weight: the same on every machine
log = logging.getLogger(__name__)

FindSignals = Callable[[str], Counter[str]]


class SignalModel(NamedTuple):
    """`weights` maps a signal to its weight for each label; `biases` are the weights of a text without signals."""

    labels: tuple[str, ...]
    biases: tuple[float, ...]
    weights: Mapping[str, Sequence[float]]

    def predict(self, signals: Mapping[str, int]) -> dict[str, float]:
        """Return the probability of each label."""
        logits = list(self.biases)
        for signal, count in signals.items():
            for at, weight in enumerate(self.weights.get(signal, ())):
                logits[at] += count * weight
        return dict(zip(self.labels, _softmax(logits), strict=True))


def fit_signal_model(texts: LabelledTexts, find_signals: FindSignals) -> SignalModel:
    """Return the maximum of the penalised likelihood (L2, one for each weight), by accelerated gradient ascent.

    The step of each weight follows from a bound of the curvature (Böhning, 1992), so that no step is too long.
    """
    labels = tuple(sorted({label for _, label in texts}))
    rows = [(find_signals(text), labels.index(label)) for text, label in texts]
    curvature: Counter[str] = Counter()
    for signals, _ in rows:
        size = 1 + sum(signals.values())
        curvature.update({signal: count * size for signal, count in signals.items()})
    names = sorted(curvature)
    steps = [1 / (1 + curvature[name] / 2) for name in names]
    bias_step = 2 / sum(1 + sum(signals.values()) for signals, _ in rows)
    index = {name: at for at, name in enumerate(names)}
    indexed = [([(index[name], count) for name, count in signals.items()], label) for signals, label in rows]
    weights, biases = _ascend(indexed, len(labels), steps, bias_step)
    return SignalModel(
        labels,
        tuple(round(bias, _DIGITS) for bias in biases),
        {name: [round(weight, _DIGITS) for weight in row] for name, row in zip(names, weights, strict=True)},
    )


_Rows = Sequence[tuple[Sequence[tuple[int, int]], int]]
_Matrix = list[list[float]]


def _ascend(
    rows: _Rows, labels: int, steps: Sequence[float], bias_step: float
) -> tuple[_Matrix, list[float]]:
    """Return the weights of each signal, and the biases. The last row of the matrices holds the biases."""
    size = len(steps)
    weights = [[0.0] * labels for _ in range(size + 1)]
    previous = weights
    for iteration in range(_ITERATIONS):
        momentum = iteration / (iteration + 3)
        ahead = [
            [new + momentum * (new - old) for new, old in zip(row, before, strict=True)]
            for row, before in zip(weights, previous, strict=True)
        ]
        gradient = [[-weight for weight in row] for row in ahead[:size]] + [[0.0] * labels]
        for signals, label in rows:
            logits = list(ahead[size])
            for at, count in signals:
                logits = [logit + count * weight for logit, weight in zip(logits, ahead[at], strict=True)]
            errors = [-probability for probability in _softmax(logits)]
            errors[label] += 1
            for at, count in (*signals, (size, 1)):
                row = gradient[at]
                for one, error in enumerate(errors):
                    row[one] += count * error
        previous = weights
        weights = [
            [weight + step * slope for weight, slope in zip(row, slopes, strict=True)]
            for row, slopes, step in zip(ahead, gradient, (*steps, bias_step), strict=True)
        ]
    return weights[:size], weights[size]


def _softmax(logits: Sequence[float]) -> list[float]:
    largest = max(logits)
    powers = [math.exp(logit - largest) for logit in logits]
    total = math.fsum(powers)
    return [power / total for power in powers]


@lru_cache(maxsize=16)
def load_or_fit(texts: LabelledTexts, find_signals: FindSignals, folder: Path | None) -> SignalModel:
    """Return the model of a training set, from the package, from the cache folder, or fitted now."""
    name = signal_model_file_name(texts)
    for place in (BUNDLED_MODELS, folder):
        model = _load(place / name) if place else None
        if model is not None:
            return model
    model = fit_signal_model(texts, find_signals)
    if folder is not None:
        save_model(folder / name, serialize_signal_model(model))
    return model


@cache
def load_sentiment_model() -> SignalModel:
    """Return the model of sentiments, which the package carries."""
    model = _load(BUNDLED_MODELS / SENTIMENT_MODEL)
    if model is None:
        raise FileNotFoundError(BUNDLED_MODELS / SENTIMENT_MODEL)
    return model


def signal_model_file_name(texts: LabelledTexts) -> str:
    """Return the file name of a training set's model: a digest of the version and of the texts."""
    return f"{json_digest([VERSION, texts])[:DIGEST_LENGTH]}.signals"


def serialize_signal_model(model: SignalModel) -> bytes:
    """Return the model as JSON."""
    return json.dumps([model.labels, model.biases, model.weights], separators=(",", ":")).encode()


def _load(path: Path) -> SignalModel | None:
    try:
        labels, biases, weights = json.loads(path.read_bytes())
        return SignalModel(tuple(labels), tuple(biases), weights)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        log.warning("the trained model %s cannot be used: %s", path, error)
    return None
