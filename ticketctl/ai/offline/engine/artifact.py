"""Serialize trained models: a JSON header, the feature names and the quantized weights, compressed together.

A model file may come from a stranger. It is checked before anything of its size is built: how much it decompresses
to, how many values its header has, and the type and range of each.
"""

import json
import math
import zlib
from pathlib import Path
from typing import Any

from ticketctl.ai.offline.engine.calibration import Calibration
from ticketctl.ai.offline.engine.dense import DenseWeights, Scaling
from ticketctl.ai.offline.engine.features import Vocabulary
from ticketctl.ai.offline.engine.model import Model
from ticketctl.errors import InvalidInputError

_MAGIC = b"ticketctl model 1\n"
_MAX_FILE_BYTES = 4_000_000  # 13,000 texts with 77 labels give less than one
_MAX_BYTES = 12_000_000  # decompressed
_MAX_HEADER_BYTES = 1_500_000
_MAX_FEATURES = 150_000
_MAX_LABELS = 2_000
_MAX_THRESHOLDS = 50
_MAX_DIMENSIONS = 4_096  # of an embedding
_MAX_NAME = 200  # characters of an embedding model's name


def serialize(model: Model) -> bytes:
    """Return the artifact of a model; equal models give equal bytes."""
    vocabulary, calibration = model.vocabulary, model.calibration
    # The keys are part of the file format: the files' digests depend on them.
    header: dict[str, object] = {
        "labels": model.labels,
        "texts": vocabulary.documents,
        "seen": vocabulary.document_counts,
        "unit": model.scale,
        "by_score": calibration.score_weight,
        "by_lead": calibration.margin_weight,
        "offset": calibration.bias,
        "scope": calibration.min_score,
        "thresholds": model.thresholds,
    }
    weights, dense = model.weights, model.dense
    if dense is not None:
        weights += dense.weights
        header["embeddings"] = {
            "model": dense.model,
            "digest": dense.digest,
            "center": dense.scaling.center,
            "factor": dense.scaling.factor,
            "unit": dense.scale,
        }
    lines = [json.dumps(header, separators=(",", ":")), *vocabulary.names]
    return _MAGIC + zlib.compress("\n".join(lines).encode() + b"\n\n" + weights, 9)


def load_model(path: Path) -> Model:
    """Return the model in a file.

    Raises:
        OSError: The file cannot be read.
        InvalidInputError: It is not a trained model, or it is damaged; the error names the file.
    """
    try:
        return deserialize(read_artifact(path))
    except InvalidInputError as error:
        raise InvalidInputError(f"{path} cannot be used: {error}", hint=error.hint) from None


def read_artifact(path: Path) -> bytes:
    """Return the bytes of a model file, or one byte more than `deserialize` accepts if it is larger."""
    with path.open("rb") as file:
        return file.read(_MAX_FILE_BYTES + 1)


def deserialize(data: bytes) -> Model:
    """Return the model in an artifact.

    Raises:
        InvalidInputError: The bytes are not a trained model, or they are damaged.
    """
    if not data.startswith(_MAGIC):
        raise InvalidInputError("this is not a trained model", hint="ticketctl train writes one")
    try:
        header, names, weights = _split(_decompress(data))
        model = _build(json.loads(header), names.decode().split("\n")[1:], weights)
    except (zlib.error, ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
        problem = str(error) if isinstance(error, ValueError) else type(error).__name__
        raise InvalidInputError(
            f"this trained model is damaged: {problem[:200]}", hint="train it again with ticketctl train"
        ) from None
    return model


def _decompress(data: bytes) -> bytes:
    if len(data) > _MAX_FILE_BYTES:
        raise ValueError(f"it is larger than {_MAX_FILE_BYTES:,} bytes")
    decompressor = zlib.decompressobj()
    content = decompressor.decompress(memoryview(data)[len(_MAGIC) :], _MAX_BYTES)
    if decompressor.unconsumed_tail:
        raise ValueError(f"it decompresses to more than {_MAX_BYTES:,} bytes")
    if not decompressor.eof or decompressor.unused_data:
        raise ValueError("it is cut off, or something follows it")
    return content


def _split(content: bytes) -> tuple[bytes, bytes, bytes]:
    """Return the header, the feature names (a line feed before each) and the weights."""
    end = content.find(b"\n\n")
    if end < 0:
        raise ValueError("its parts are not separated")
    start = content.find(b"\n", 0, end)
    header, names = (content[:end], b"") if start < 0 else (content[:start], content[start:end])
    # JSON builds an object for every few bytes: nested and empty ones take twenty times their size
    structure = sum(map(header.count, (b"[", b"{", b":")))
    if len(header) > _MAX_HEADER_BYTES or structure > 2 * _MAX_LABELS:
        raise ValueError("its header is too large")
    if names.count(b"\n") > _MAX_FEATURES:
        raise ValueError(f"it has more than {_MAX_FEATURES:,} features")
    return header, names, content[end + 2 :]


def _build(fields: dict[str, Any], names: list[str], weights: bytes) -> Model:
    labels, seen, documents = fields["labels"], fields["seen"], fields["texts"]
    if not (type(labels) is list and 1 < len(labels) <= _MAX_LABELS and all(type(x) is str for x in labels)):
        raise ValueError("its labels are not a list of texts")
    if not (type(documents) is int and 0 <= documents < 1 << 40):
        raise ValueError("its number of texts is not a whole number")
    if not (type(seen) is list and all(type(count) is int and 0 < count <= documents for count in seen)):
        raise ValueError("its counts are not whole numbers")
    numbers = [fields[key] for key in ("unit", "by_score", "by_lead", "offset", "scope")]
    if not all(type(number) in {int, float} and not math.isnan(number) for number in numbers):
        raise ValueError("its figures are not numbers")
    if not all(abs(number) < 1e12 for number in numbers[:4]):  # noqa: PLR2004  (infinity, and what sums to it)
        raise ValueError("its figures are too large")
    sparse_size = len(names) * len(labels)
    dense = _build_dense(fields.get("embeddings"), weights[sparse_size:])
    dense_size = dense.dimensions * len(labels) if dense else 0
    if len(weights) != sparse_size + dense_size or len(seen) != len(names):
        raise ValueError("its header and its weights do not match")
    thresholds = fields.get("thresholds", [])
    if not (
        type(thresholds) is list and len(thresholds) <= _MAX_THRESHOLDS and all(map(_is_pair, thresholds))
    ):
        raise ValueError("its thresholds are not pairs of shares")
    scale, score_weight, margin_weight, bias, min_score = map(float, numbers)
    return Model(
        labels=tuple(labels),
        vocabulary=Vocabulary(tuple(names), tuple(seen), documents),
        weights=weights[:sparse_size],
        scale=scale,
        calibration=Calibration(score_weight, margin_weight, bias, min_score),
        thresholds=tuple((float(target), float(confidence)) for target, confidence in thresholds),
        dense=dense,
    )


def _build_dense(fields: Any, weights: bytes) -> DenseWeights | None:
    """Return the weights of the dense features, None if the model has none."""
    if fields is None:
        return None
    names = (fields["model"], fields["digest"])
    center, factor, unit = fields["center"], fields["factor"], fields["unit"]
    if not all(type(name) is str and name.isprintable() and len(name) <= _MAX_NAME for name in names):
        raise ValueError("its embedding model has no name")
    if not (type(center) is list and 0 < len(center) <= _MAX_DIMENSIONS):
        raise ValueError("its embeddings have no center")
    if not all(type(number) in {int, float} and abs(number) < 1e12 for number in (*center, factor, unit)):  # noqa: PLR2004  (as below)
        raise ValueError("its embeddings' figures are not numbers")
    scaling = Scaling(tuple(map(float, center)), float(factor))
    return DenseWeights(names[0], names[1], scaling, weights, float(unit))


def _is_pair(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2  # noqa: PLR2004  (a pair)
        and all(type(share) in {int, float} and 0 <= share <= 1 for share in value)
    )
