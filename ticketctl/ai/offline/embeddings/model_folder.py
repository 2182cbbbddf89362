"""Read the folder of a sentence-transformers model that was exported to ONNX. Needs the standard library only.

A folder has `model.onnx` or `onnx/model.onnx`, `tokenizer.json`, `config.json`, and what sentence-transformers writes:
`1_Pooling/config.json`, `modules.json`, `sentence_bert_config.json`, `config_sentence_transformers.json`.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ticketctl.errors import ConfigError

HINT = (
    "name the folder of a sentence-transformers model with model.onnx or onnx/model.onnx, tokenizer.json and "
    "config.json"
)
MAX_TOKENS = 256
"""The most tokens of a text that are embedded, whatever the model allows: the time grows with their square."""

_MODEL_FILES = ("model.onnx", "onnx/model.onnx")
_POOLINGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_lasttoken": "lasttoken",
}
_UNDERSTOOD_MODULES = ("Transformer", "Pooling", "Normalize")
_MAX_CONFIG_BYTES = 1_000_000
_MAX_NAME = 100  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFolder:
    """The files of a model and what its configuration says.

    `pooling` is cls, mean, max, mean_sqrt_len_tokens or lasttoken. `other_module` is a module after pooling that is not
    in the ONNX file, such as Dense, None if there is none. `prefix` is put before each text.
    """

    path: Path
    model: Path
    tokenizer: Path
    pooling: str
    other_module: str | None
    max_tokens: int
    lower_case: bool
    prefix: str

    @property
    def name(self) -> str:
        """Return the name of the model: that of its folder, without characters that a terminal would obey."""
        return "".join(char if char.isprintable() else "_" for char in self.path.name)[:_MAX_NAME]

    def digest(self) -> str:
        """Return the SHA-256 of all files that the vectors depend on. Raises ConfigError."""
        from hashlib import file_digest, sha256

        settings = [self.pooling, self.max_tokens, self.lower_case, self.prefix]
        total = sha256(json.dumps(settings).encode())
        weights = sorted(self.model.parent.glob(f"{self.model.name}[._]data"))
        for path in (self.model, *weights, self.tokenizer):
            try:
                with path.open("rb") as file:
                    total.update(file_digest(file, "sha256").digest())
            except OSError as error:
                raise ConfigError(f"{path} cannot be read: {error.strerror}", hint=HINT) from None
        return total.hexdigest()[:32]


def read_model_folder(path: Path) -> ModelFolder:
    """Return what a folder says about its model.

    Raises:
        ConfigError: It is no folder of a sentence-transformers model in ONNX format, or its pooling is not supported.
    """
    if not path.is_dir():
        raise ConfigError(f"the embedding model {path} is not a folder", hint=HINT)
    model = next((path / name for name in _MODEL_FILES if (path / name).is_file()), None)
    if model is None:
        raise ConfigError(f"the embedding model {path} has no model.onnx", hint=HINT)
    tokenizer = path / "tokenizer.json"
    if not tokenizer.is_file():
        raise ConfigError(f"the embedding model {path} has no tokenizer.json", hint=HINT)
    transformer = _read_config(path / "config.json")
    if not transformer:
        raise ConfigError(f"the embedding model {path} has no config.json", hint=HINT)
    sentence = _read_config(path / "sentence_bert_config.json")
    prompts = _read_config(path / "config_sentence_transformers.json")
    return ModelFolder(
        path=path.resolve(),
        model=model,
        tokenizer=tokenizer,
        pooling=_find_pooling(path),
        other_module=_find_other_module(path / "modules.json"),
        max_tokens=_find_max_tokens(sentence, transformer),
        lower_case=sentence.get("do_lower_case") is True,
        prefix=_find_prefix(prompts),
    )


def _find_pooling(path: Path) -> str:
    """Return the pooling of `1_Pooling/config.json`, mean if there is none. Raises ConfigError for another kind."""
    config = _read_config(path / "1_Pooling" / "config.json")
    named = config.get("pooling_mode")
    if isinstance(named, str):
        chosen = [named]
    else:
        chosen = [key for key, value in config.items() if key.startswith("pooling_mode_") and value is True]
        chosen = [_POOLINGS.get(key, key) for key in chosen]
    if not chosen:
        return "mean"
    if len(chosen) > 1 or chosen[0] not in _POOLINGS.values():
        raise ConfigError(
            f"the embedding model {path} has a pooling that is not supported: {' and '.join(chosen)[:200]}",
            hint=f"supported are {', '.join(_POOLINGS.values())}",
        )
    return chosen[0]


def _find_other_module(path: Path) -> str | None:
    modules = _read_json(path) if path.is_file() else []
    types = [
        str(module.get("type", "")).rpartition(".")[2]
        for module in (modules if isinstance(modules, list) else [])
        if isinstance(module, dict)
    ]
    return next((name for name in types if name not in _UNDERSTOOD_MODULES), None)


def _find_max_tokens(sentence: dict[str, Any], transformer: dict[str, Any]) -> int:
    for value in (sentence.get("max_seq_length"), transformer.get("max_position_embeddings")):
        if type(value) is int and value > 0:
            return min(value, MAX_TOKENS)
    return MAX_TOKENS


def _find_prefix(config: dict[str, Any]) -> str:
    prompts, default = config.get("prompts"), config.get("default_prompt_name")
    prefix = prompts.get(default) if isinstance(prompts, dict) and isinstance(default, str) else None
    return prefix if isinstance(prefix, str) else ""


def _read_config(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file, empty if there is no such file. Raises ConfigError."""
    if not path.is_file():
        return {}
    config = _read_json(path)
    if not isinstance(config, dict):
        raise ConfigError(f"{path} is not a JSON object", hint=HINT)
    return config


def _read_json(path: Path) -> object:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_CONFIG_BYTES + 1)
        if len(data) > _MAX_CONFIG_BYTES:
            raise ConfigError(f"{path} is larger than {_MAX_CONFIG_BYTES:,} bytes", hint=HINT)
        return json.loads(data)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", hint=HINT) from None
    except (ValueError, RecursionError):
        raise ConfigError(f"{path} is not valid JSON", hint=HINT) from None
