"""Dense features: the vector of a text from an embedding model, centred and scaled to whole numbers.

numpy is imported only where vectors are used. All arithmetic after the vectors is on integers, so that the same vectors
give the same model on every machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from ticketctl.ai.offline.engine.features import FIXED_POINT_ONE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[np.float32]
    WholeNumbers = NDArray[np.int64]

_MAX_VALUE = 4 * FIXED_POINT_ONE  # of one dimension: bounds the sums of a vector that is unlike all others
_MIN_NORM = 1e-4  # texts whose vectors differ by less are the same text
_MANY_TEXTS = 40  # per label, from which words alone tell most labels apart
_SHARE, _SHARE_OF_FEW = 1.0, 1.5  # the typical norm of a scaled vector, where that of the word features is 1


class Encoder(Protocol):
    """An embedding model."""

    def __hash__(self) -> int:
        """Return a hash: models that were trained with an encoder are cached by it."""

    @property
    def name(self) -> str:
        """Return its name."""

    @property
    def digest(self) -> str:
        """Return a text that is equal for equal models only."""

    def encode(self, text: str) -> "Vector":
        """Return the vector of a text, of unit length. Raise ConfigError if the model cannot be used."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """Centres vectors and scales them. `center` has a number for each dimension; `factor` multiplies what is left."""

    center: tuple[float, ...]
    factor: float

    def apply(self, vector: "Vector") -> "WholeNumbers":
        """Return the scaled vector in fixed point."""
        import numpy as np

        scaled = np.rint((np.asarray(vector, dtype=np.float64) - self.center) * self.factor)
        return np.clip(scaled, -_MAX_VALUE, _MAX_VALUE).astype(np.int64)


def fit_scaling(vectors: "Sequence[Vector]", labels: int) -> Scaling:
    """Return the scaling after which the vectors have the mean 0 and a root mean square norm of their share.

    Embedding models put all texts into a narrow cone; what they have in common tells nothing apart. Vectors count for
    more if there are few texts for each of the `labels`: most words of a new text were then never seen.
    """
    import numpy as np

    matrix = np.asarray(vectors, dtype=np.float64)
    center = np.round(matrix.mean(axis=0), 6)
    norm = float(np.sqrt(((matrix - center) ** 2).sum(axis=1).mean()))
    share = _SHARE if len(vectors) >= _MANY_TEXTS * labels else _SHARE_OF_FEW
    factor = share * FIXED_POINT_ONE / norm if norm > _MIN_NORM else 0.0
    return Scaling(tuple(center.tolist()), round(factor, 3))


@dataclass(frozen=True)
class DenseWeights:
    """The weights of the dense features. `weights` has a row for each label with a signed byte for each dimension.

    `model` and `digest` name the embedding model that the weights belong to; `scale` is the score of one step.
    """

    model: str
    digest: str
    scaling: Scaling
    weights: bytes = field(repr=False)
    scale: float

    @property
    def dimensions(self) -> int:
        """Return the length of the vectors."""
        return len(self.scaling.center)

    def scores(self, vector: "Vector") -> list[float]:
        """Return what the vector adds to the score of each label."""
        return [float(score) * self.scale for score in self._matrix @ self.scaling.apply(vector)]

    @cached_property
    def _matrix(self) -> "WholeNumbers":
        import numpy as np

        return np.frombuffer(self.weights, dtype=np.int8).reshape(-1, self.dimensions).astype(np.int64)


class DensePerceptron:
    """The weights of the dense features in training: a whole number for each label and dimension."""

    def __init__(self, labels: int, dimensions: int) -> None:
        import numpy as np

        self.weights = np.zeros((labels, dimensions), dtype=np.int64)

    def scores(self, vector: "WholeNumbers") -> list[int]:
        """Return what the vector adds to the score of each label."""
        return (self.weights @ vector).tolist()  # type: ignore[no-any-return]  # numpy does not know the list's type

    def add(self, vector: "WholeNumbers", update: Sequence[int]) -> None:
        """Add the vector to each label's weights, as often as `update` says."""
        for label, times in enumerate(update):
            if times:
                self.weights[label] += times * vector

    def quantize(self, one: int, largest_step: int) -> tuple[bytes, float]:
        """Return the weights as signed bytes, and the score that one step stands for."""
        import numpy as np

        largest = int(np.abs(self.weights).max(initial=0)) or 1
        steps = np.rint(self.weights * (largest_step / largest)).astype(np.int8)
        return steps.tobytes(), largest / largest_step / one


def squared_norm(vector: "WholeNumbers | None") -> int:
    """Return the square of a vector's length, 0 for none."""
    return 0 if vector is None else int(vector @ vector)
