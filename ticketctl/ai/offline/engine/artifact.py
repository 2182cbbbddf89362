"""Serialize trained models: a JSON header, the feature names and the quantized weights, compressed together."""

import json
import zlib

from ticketctl.ai.offline.engine.calibration import Calibration
from ticketctl.ai.offline.engine.features import Vocabulary
from ticketctl.ai.offline.engine.model import Model
from ticketctl.errors import InvalidInputError

_MAGIC = b"ticketctl model 1\n"


def serialize(model: Model) -> bytes:
    """Return the artifact of a model; equal models give equal bytes."""
    vocabulary, calibration = model.vocabulary, model.calibration
    # The keys are part of the file format: the files' digests depend on them.
    header = {
        "labels": model.labels,
        "texts": vocabulary.documents,
        "seen": vocabulary.document_counts,
        "unit": model.scale,
        "by_score": calibration.score_weight,
        "by_lead": calibration.margin_weight,
        "offset": calibration.bias,
        "scope": calibration.min_score,
    }
    lines = [json.dumps(header, separators=(",", ":")), *vocabulary.names]
    return _MAGIC + zlib.compress("\n".join(lines).encode() + b"\n\n" + model.weights, 9)


def deserialize(data: bytes) -> Model:
    """Return the model in an artifact.

    Raises:
        InvalidInputError: The bytes are not a trained model, or they are damaged.
    """
    if not data.startswith(_MAGIC):
        raise InvalidInputError("this is not a trained model", hint="ticketctl train writes one")
    try:
        lines, _, weights = zlib.decompress(data[len(_MAGIC) :]).partition(b"\n\n")
        header, *names = lines.decode().split("\n")
        fields = json.loads(header)
        model = Model(
            labels=tuple(fields["labels"]),
            vocabulary=Vocabulary(tuple(names), tuple(fields["seen"]), fields["texts"]),
            weights=weights,
            scale=fields["unit"],
            calibration=Calibration(fields["by_score"], fields["by_lead"], fields["offset"], fields["scope"]),
        )
    except (zlib.error, ValueError, KeyError, TypeError) as error:
        raise InvalidInputError(f"this trained model is damaged: {error}") from error
    if len(weights) != len(names) * len(model.labels) or len(model.vocabulary.document_counts) != len(names):
        raise InvalidInputError("this trained model is damaged: its header and its weights do not match")
    return model
