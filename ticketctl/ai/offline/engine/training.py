"""Train a model from labelled texts: the same texts in the same order give the same bytes."""

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from ticketctl.ai.offline.engine.calibration import HeldOutPrediction, choose_thresholds, fit_calibration
from ticketctl.ai.offline.engine.dense import DenseWeights, fit_scaling
from ticketctl.ai.offline.engine.features import build_vocabulary, count_features
from ticketctl.ai.offline.engine.model import ZERO_POINT, Model, compute_margin
from ticketctl.ai.offline.engine.perceptron import (
    EPOCHS,
    LaneCodec,
    TrainingExample,
    train_perceptron,
)
from ticketctl.errors import InvalidInputError

if TYPE_CHECKING:
    from ticketctl.ai.offline.engine.dense import Encoder, Scaling, WholeNumbers

FOLDS = 4
PROGRESS_STEPS = EPOCHS * (FOLDS + 1)
"""How often `train` reports progress."""

_OUT_OF_SCOPE_EVERY = 20  # one held-out text in 20 is scored again as if its label were unknown
_OUT_OF_SCOPE_WEIGHT = 4.0  # for a threshold, one text in six is of no known label
_MAX_QUANTIZED = ZERO_POINT - 1  # a byte holds -127 to 127 around the zero point


def train(
    texts: Iterable[tuple[str, str]],
    on_progress: Callable[[], None] = lambda: None,
    encoder: "Encoder | None" = None,
) -> Model:
    """Train a model from pairs of text and label; `on_progress` is called PROGRESS_STEPS times, evenly spread.

    An `encoder` adds the vector of each text to its features; `on_progress` is then called for each text as well.

    Raises:
        InvalidInputError: There are fewer than two labels.
        ConfigError: The embedding model cannot be used.
    """
    pairs = list(texts)
    labels = tuple(sorted({label for _, label in pairs}))
    if len(labels) < 2:  # noqa: PLR2004  (one label leaves nothing to tell apart)
        raise InvalidInputError(
            "training needs at least two different labels", hint="add texts with another label"
        )
    counts = [count_features(text) for text, _ in pairs]
    vocabulary = build_vocabulary(counts)
    label_index = {label: index for index, label in enumerate(labels)}
    scaling, vectors = _embed([text for text, _ in pairs], len(labels), encoder, on_progress)
    examples = [
        TrainingExample(vocabulary.vectorize(count), label_index[label], vector)
        for count, (_, label), vector in zip(counts, pairs, vectors, strict=True)
    ]
    codec = LaneCodec(len(labels))
    predictions = _cross_validate(examples, len(vocabulary.names), codec, on_progress)
    averaged, one = train_perceptron(examples, len(vocabulary.names), codec, on_progress)
    weights, scale = _quantize([codec.unpack(packed) for packed in averaged.sparse], one)
    dense = None
    if encoder is not None and scaling is not None and averaged.dense is not None:
        dense_weights, dense_scale = averaged.dense.quantize(one, _MAX_QUANTIZED)
        dense = DenseWeights(encoder.name, encoder.digest, scaling, dense_weights, dense_scale)
    calibration = fit_calibration(predictions, len(labels))
    thresholds = choose_thresholds(calibration, predictions)
    return Model(labels, vocabulary, weights, scale, calibration, thresholds, dense, encoder)


def _embed(
    texts: Sequence[str], labels: int, encoder: "Encoder | None", on_progress: Callable[[], None]
) -> "tuple[Scaling | None, list[WholeNumbers | None]]":
    """Return the scaled vector of each text, None without an encoder, and how they were scaled."""
    if encoder is None:
        return None, [None] * len(texts)
    vectors = []
    for text in texts:
        vectors.append(encoder.encode(text))
        on_progress()
    scaling = fit_scaling(vectors, labels)
    return scaling, [scaling.apply(vector) for vector in vectors]


def _cross_validate(
    examples: Sequence[TrainingExample],
    features: int,
    codec: LaneCodec,
    on_progress: Callable[[], None],
) -> list[HeldOutPrediction]:
    """Predict each example with a model trained on the other folds; the folds are stratified by label.

    Some examples are scored again without their own label: they stand for texts whose label is unknown.
    """
    label_counts: dict[int, int] = {}
    folds = []
    for example in examples:
        label_counts[example.label] = label_counts.get(example.label, -1) + 1
        folds.append(label_counts[example.label] % FOLDS)
    predictions = []
    for held_out in range(FOLDS):
        training = [example for example, fold in zip(examples, folds, strict=True) if fold != held_out]
        weights, one = train_perceptron(training, features, codec, on_progress)
        validation = [example for example, fold in zip(examples, folds, strict=True) if fold == held_out]
        scores = [[score / one for score in weights.score_labels(codec, example)] for example in validation]
        predictions += [_predict(row, example.label) for row, example in zip(scores, validation, strict=True)]
        for row, example in zip(
            scores[::_OUT_OF_SCOPE_EVERY], validation[::_OUT_OF_SCOPE_EVERY], strict=True
        ):
            del row[example.label]
            predictions.append(_predict(row, label=None)._replace(weight=_OUT_OF_SCOPE_WEIGHT))
    return predictions


def _predict(scores: Sequence[float], label: int | None) -> HeldOutPrediction:
    best = max(range(len(scores)), key=scores.__getitem__)
    return HeldOutPrediction(scores[best], compute_margin(scores, best), best == label)


def _quantize(weights: Sequence[Sequence[int]], one: int) -> tuple[bytes, float]:
    """Return the weights as bytes around the zero point, and the score that one step of a byte stands for."""
    largest = max(map(abs, chain.from_iterable(weights)), default=0) or 1
    quantized = bytes(
        ZERO_POINT + (2 * weight * _MAX_QUANTIZED + largest) // (2 * largest)
        for row in weights
        for weight in row
    )
    return quantized, largest / _MAX_QUANTIZED / one
