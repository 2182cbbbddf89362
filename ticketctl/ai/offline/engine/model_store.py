"""Find the model for a training set: bundled with the package, cached in a folder, or trained now."""

import logging
import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from ticketctl.ai.offline.engine.artifact import load_model, serialize
from ticketctl.ai.offline.engine.dense import Encoder
from ticketctl.ai.offline.engine.model import Model
from ticketctl.ai.taxonomy.schema import Taxonomy, json_digest
from ticketctl.errors import ConfigError, InvalidInputError

_MAX_SHOWN = 300  # characters of names in an error
log = logging.getLogger(__name__)

ENGINE_VERSION = "3"
"""Increase it whenever the same training set would give another model."""

BUNDLED_MODELS = Path(__file__).with_name("trained")
"""The folder with the models of the built-in examples."""

DIGEST_LENGTH = 32
"""Characters of a digest in the name of a model's file."""

LabelledTexts = tuple[tuple[str, str], ...]
"""A training set: pairs of text and label."""


@lru_cache(maxsize=16)
def load_or_train(texts: LabelledTexts, folder: Path | None, encoder: Encoder | None = None) -> Model:
    """Return the model for a training set, from the package, from the cache folder, or trained now.

    An `encoder` adds the vector of each text to its features.

    Raises:
        InvalidInputError: The training set has fewer than two labels.
        ConfigError: The embedding model cannot be used.
    """
    name = model_file_name(texts, encoder)
    for place in (BUNDLED_MODELS, folder):
        model = _load_cached(place / name) if place else None
        if model is not None:
            return model.with_encoder(encoder)
    from ticketctl.ai.offline.engine.training import train

    model = train(texts, encoder=encoder)
    if folder is not None:
        save_model(folder / name, serialize(model))
    return model


def model_file_name(texts: Sequence[tuple[str, str]], encoder: Encoder | None = None) -> str:
    """Return the file name of a training set's model: a digest of the engine version, the texts and the encoder."""
    inputs = [ENGINE_VERSION, texts, *([encoder.digest] if encoder else [])]
    return f"{json_digest(inputs)[:DIGEST_LENGTH]}.model"


def load_model_file(path: Path, taxonomy: Taxonomy, encoder: Encoder | None = None) -> Model:
    """Return the model in a file that `ticketctl train` wrote.

    Raises:
        ConfigError: The file cannot be read, has a category that the taxonomy lacks, or needs another encoder.
    """
    try:
        model = load_model(path).with_encoder(encoder)
    except InvalidInputError as error:
        raise ConfigError(f"the trained model {error}", hint=error.hint) from None
    except OSError as error:
        raise ConfigError(
            f"the trained model {path} cannot be used: {error.strerror}", hint="ticketctl train writes one"
        ) from None
    unknown = sorted(set(model.labels) - {category.name for category in taxonomy.categories})
    if unknown:
        raise ConfigError(
            f"the trained model {path} has categories that the taxonomy lacks: {', '.join(unknown)[:_MAX_SHOWN]}",
            hint="add them to the taxonomy, or train again without them",
        )
    return model


def _load_cached(path: Path) -> Model | None:
    try:
        return load_model(path)
    except FileNotFoundError:
        return None
    except InvalidInputError as error:
        log.warning("the trained model %s", error)
    except OSError as error:
        log.warning("the trained model %s cannot be used: %s", path, error)
    return None


def save_model(path: Path, data: bytes) -> None:
    """Write a file atomically: two processes may do so at once. A failure is logged, for the cache is optional."""
    import tempfile

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, delete=False) as file:
            file.write(data)
        os.replace(file.name, path)  # noqa: PTH105  (NamedTemporaryFile gives a name, not a Path)
    except OSError as error:
        log.warning("the trained model cannot be saved in %s: %s", path.parent, error)
