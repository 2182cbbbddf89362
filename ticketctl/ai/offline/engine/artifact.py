"""A trained model as bytes: a line of JSON, the names of the features, their rows; all of it compressed."""

import json
import zlib

from ticketctl.ai.offline.engine.calibration import Calibration
from ticketctl.ai.offline.engine.features import Vocabulary
from ticketctl.ai.offline.engine.model import Model
from ticketctl.errors import InvalidInputError

_MAGIC = b"ticketctl model 1\n"


def packed(model: Model) -> bytes:
    """The artifact of a model; equal models give equal bytes."""
    vocabulary, calibration = model.vocabulary, model.calibration
    header = {
        "labels": model.labels,
        "texts": vocabulary.texts,
        "seen": vocabulary.seen,
        "unit": model.unit,
        "by_score": calibration.by_score,
        "by_lead": calibration.by_lead,
        "offset": calibration.offset,
        "scope": calibration.scope,
    }
    lines = [json.dumps(header, separators=(",", ":")), *vocabulary.names]
    return _MAGIC + zlib.compress("\n".join(lines).encode() + b"\n\n" + model.rows, 9)


def unpacked(data: bytes) -> Model:
    """The model in an artifact. Raises InvalidInputError where the bytes are none, or are damaged."""
    if not data.startswith(_MAGIC):
        raise InvalidInputError("this is no trained model", hint="ticketctl train writes one")
    try:
        lines, _, rows = zlib.decompress(data[len(_MAGIC) :]).partition(b"\n\n")
        header, *names = lines.decode().split("\n")
        fields = json.loads(header)
        model = Model(
            labels=tuple(fields["labels"]),
            vocabulary=Vocabulary(tuple(names), tuple(fields["seen"]), fields["texts"]),
            rows=rows,
            unit=fields["unit"],
            calibration=Calibration(fields["by_score"], fields["by_lead"], fields["offset"], fields["scope"]),
        )
    except (zlib.error, ValueError, KeyError, TypeError) as error:
        raise InvalidInputError(f"this trained model is damaged: {error}") from error
    if len(rows) != len(names) * len(model.labels) or len(model.vocabulary.seen) != len(names):
        raise InvalidInputError("this trained model is damaged: its parts do not fit together")
    return model
