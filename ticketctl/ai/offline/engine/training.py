"""From labelled texts to a model: the same texts in the same order give the same bytes."""

from collections.abc import Callable, Iterable, Sequence
from itertools import chain

from ticketctl.ai.offline.engine.calibration import Trial, fitted
from ticketctl.ai.offline.engine.features import counts, learned
from ticketctl.ai.offline.engine.model import MIDDLE, Model, lead_of
from ticketctl.ai.offline.engine.perceptron import EPOCHS, Example, Lanes, scores, trained
from ticketctl.errors import InvalidInputError

FOLDS = 4
STEPS = EPOCHS * (FOLDS + 1)
"""How often `train` reports progress."""

_STRANGE = 20  # one text in so many is taken for one whose label is not known
_MOST = MIDDLE - 1  # the largest weight in steps: a byte holds -127 to 127 around its middle


def train(rows: Iterable[tuple[str, str]], step: Callable[[], None] = lambda: None) -> Model:
    """Learn from pairs of text and label; `step` is called STEPS times, evenly spread.

    Raises:
        InvalidInputError: There are fewer than two labels.
    """
    pairs = list(rows)
    labels = tuple(sorted({label for _, label in pairs}))
    if len(labels) < 2:  # noqa: PLR2004  (there is nothing to tell apart)
        raise InvalidInputError(
            "at least two different labels are needed to learn from", hint="add texts with another label"
        )
    texts = [counts(text) for text, _ in pairs]
    vocabulary = learned(texts)
    number = {label: at for at, label in enumerate(labels)}
    examples = [
        Example(vocabulary.vector(text), number[label]) for text, (_, label) in zip(texts, pairs, strict=True)
    ]
    lanes = Lanes(len(labels))
    trials = _cross_validated(examples, len(vocabulary.names), lanes, step)
    weights, one = trained(examples, len(vocabulary.names), lanes, step)
    packed, unit = _quantised([lanes.unpacked(weight) for weight in weights], one)
    return Model(labels, vocabulary, packed, unit, fitted(trials, len(labels)))


def _cross_validated(
    examples: Sequence[Example], features: int, lanes: Lanes, step: Callable[[], None]
) -> list[Trial]:
    """Each example judged by a model that has not seen it; a label's examples are dealt to the folds in turn.

    A few are judged once more as if their label were not known, for texts will come whose label is not.
    """
    dealt: dict[int, int] = {}
    fold = []
    for example in examples:
        dealt[example.label] = dealt.get(example.label, -1) + 1
        fold.append(dealt[example.label] % FOLDS)
    trials = []
    for held in range(FOLDS):
        seen = [example for example, its in zip(examples, fold, strict=True) if its != held]
        weights, one = trained(seen, features, lanes, step)
        unseen = [example for example, its in zip(examples, fold, strict=True) if its == held]
        scored = [[score / one for score in scores(lanes, weights, example.vector)] for example in unseen]
        trials += [_tried(known, example.label) for known, example in zip(scored, unseen, strict=True)]
        for others, example in zip(scored[::_STRANGE], unseen[::_STRANGE], strict=True):
            del others[example.label]
            trials.append(_tried(others, label=None))
    return trials


def _tried(scored: Sequence[float], label: int | None) -> Trial:
    best = max(range(len(scored)), key=scored.__getitem__)
    return Trial(scored[best], lead_of(scored, best), best == label)


def _quantised(weights: Sequence[Sequence[int]], one: int) -> tuple[bytes, float]:
    """Weights as bytes around the middle, and the weight that one step of a byte stands for."""
    largest = max(map(abs, chain.from_iterable(weights)), default=0) or 1
    packed = bytes(
        MIDDLE + (2 * weight * _MOST + largest) // (2 * largest) for row in weights for weight in row
    )
    return packed, largest / _MOST / one
