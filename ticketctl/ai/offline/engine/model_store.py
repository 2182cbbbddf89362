"""Trained models by what they were trained from: shipped with the package, kept in a folder, or trained now."""

import hashlib
import json
import logging
import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from ticketctl.ai.offline.engine.artifact import packed, unpacked
from ticketctl.ai.offline.engine.model import Model
from ticketctl.ai.taxonomy.schema import Taxonomy
from ticketctl.errors import ConfigError, InvalidInputError

log = logging.getLogger(__name__)

ENGINE = "2"
"""Changes whenever the same texts would give another model."""

SHIPPED = Path(__file__).with_name("trained")
"""Where the package keeps the models of its built-in examples."""

Rows = tuple[tuple[str, str], ...]


@lru_cache(maxsize=16)
def model_for(rows: Rows, folder: Path | None) -> Model:
    """The model of these pairs of text and label; trained at most once per process, and per folder if there is one.

    Raises InvalidInputError as `train` does.
    """
    name = file_name(rows)
    for place in (SHIPPED, folder):
        found = _kept(place / name) if place else None
        if found is not None:
            return found
    from ticketctl.ai.offline.engine.training import train

    model = train(rows)
    if folder is not None:
        _keep(folder / name, packed(model))
    return model


def file_name(rows: Sequence[tuple[str, str]]) -> str:
    """The name under which the model of these rows is kept: a digest of all that it depends on."""
    said = json.dumps([ENGINE, rows], ensure_ascii=False, separators=(",", ":"))
    return f"{hashlib.sha256(said.encode()).hexdigest()[:32]}.model"


def _kept(path: Path) -> Model | None:
    try:
        return unpacked(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, InvalidInputError) as error:
        log.warning("the trained model %s cannot be used: %s", path, error)
        return None


def _keep(path: Path, data: bytes) -> None:
    """Write it whole or not at all; two processes may do so at once. A folder that cannot be written costs time only."""
    import tempfile

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, delete=False) as file:
            file.write(data)
        os.replace(file.name, path)  # noqa: PTH105  (as it is: the name, not a Path, is what there is)
    except OSError as error:
        log.warning("the trained model cannot be kept in %s: %s", path.parent, error)


def read(path: Path, taxonomy: Taxonomy) -> Model:
    """The model in a file that `ticketctl train` wrote. Raises ConfigError where it does not serve this taxonomy."""
    try:
        model = unpacked(path.read_bytes())
    except (OSError, InvalidInputError) as error:
        raise ConfigError(
            f"the trained model {path} cannot be used: {error}", hint="ticketctl train writes one"
        ) from error
    unknown = sorted(set(model.labels) - {category.name for category in taxonomy.categories})
    if unknown:
        raise ConfigError(
            f"the trained model {path} knows categories that the taxonomy does not: {', '.join(unknown)}",
            hint="add them to the taxonomy, or train again without them",
        )
    return model
