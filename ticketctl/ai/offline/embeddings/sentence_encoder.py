"""Embed texts with ONNX Runtime, in this process and on the calling thread."""

import os
from functools import cached_property, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ticketctl.ai.offline.embeddings.model_folder import HINT, read_model_folder
from ticketctl.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from tokenizers import Tokenizer

_PACKAGES = ("onnxruntime", "tokenizers", "numpy")
_MAX_CHARACTERS = 4_000  # holds MAX_TOKENS of ordinary text; the tokenizer's time grows with the text
_MAX_REASON = 200  # characters of a library's error that are shown
_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_SENTENCE_OUTPUT = "sentence_embedding"  # the name of the pooled output in sentence-transformers' own exports
_FATAL_ONLY = 4  # ONNX Runtime's severity: it logs to stderr what it raises as well


class SentenceEncoder:
    """Turns a text into a vector of unit length with a sentence-transformers model in ONNX format.

    The model is loaded with the first text. It runs on the calling thread alone, so that a process may fork afterwards:
    ONNX Runtime's own threads would not exist in the child. Texts are embedded one by one, because a batch could change
    the vectors of a quantized model.
    """

    def __init__(self, folder: Path) -> None:
        """Read the folder's configuration. Raise ConfigError if it is not usable, or if the extra is missing."""
        if not all(find_spec(package) for package in _PACKAGES):
            raise ConfigError(
                "TICKETCTL_AI_EMBEDDINGS needs ONNX Runtime and tokenizers, which are not installed",
                hint="pip install 'ticketctl[embeddings]'",
            )
        self._folder = read_model_folder(folder)
        self._embed_cached = lru_cache(maxsize=4)(self._embed)  # one ticket is classified more than once

    @property
    def name(self) -> str:
        """Return the model's name: that of its folder."""
        return self._folder.name

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the files that the vectors depend on."""
        return self._folder.digest()

    def encode(self, text: str) -> "NDArray[np.float32]":
        """Return the vector of a text, of unit length; only its first tokens are read.

        Raises:
            ConfigError: The model cannot be loaded or run.
        """
        return self._embed_cached(text[:_MAX_CHARACTERS])

    def _embed(self, text: str) -> "NDArray[np.float32]":
        import numpy as np

        folder = self._folder
        text = text.encode(errors="replace").decode()  # the tokenizer refuses lone surrogates
        encoding = self._tokenizer.encode(folder.prefix + (text.lower() if folder.lower_case else text))
        ids = np.array([encoding.ids or [0]], dtype=np.int64)
        values = (ids, np.ones_like(ids), np.zeros_like(ids))
        available = dict(zip(_INPUTS, values, strict=True))
        session, inputs, output = self._session
        try:
            (result,) = session.run([output], {name: available[name] for name in inputs})
        except Exception as error:  # noqa: BLE001  (ONNX Runtime raises its own classes, which share no base)
            raise self._unusable(error) from None
        vector = np.asarray(result[0], dtype=np.float32)
        if vector.ndim == 2:  # noqa: PLR2004  (a row for each token)
            vector = _pool(vector, folder.pooling)
        norm = float(np.linalg.norm(vector))
        return vector / norm if 0 < norm < float("inf") else np.zeros_like(vector)

    @cached_property
    def _tokenizer(self) -> "Tokenizer":
        from tokenizers import Tokenizer

        try:
            tokenizer = Tokenizer.from_file(str(self._folder.tokenizer))
        except Exception as error:  # noqa: BLE001  (tokenizers raises Exception itself)
            raise self._unusable(error) from None
        tokenizer.no_padding()
        tokenizer.enable_truncation(self._folder.max_tokens)
        return tokenizer

    @cached_property
    def _session(self) -> tuple[Any, list[str], str]:
        """The session with the names of its inputs and of the output that is read. Raises ConfigError."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = _FATAL_ONLY
        options.use_deterministic_compute = True
        try:
            session = onnxruntime.InferenceSession(
                os.fspath(self._folder.model), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # noqa: BLE001  (as above)
            raise self._unusable(error) from None
        inputs = [node.name for node in session.get_inputs()]
        unknown = [name for name in inputs if name not in _INPUTS]
        if unknown or "input_ids" not in inputs:
            raise self._unusable(f"its inputs are {', '.join(inputs)}")
        return session, inputs, self._choose_output(session)

    def _choose_output(self, session: Any) -> str:
        """Return the name of the pooled output, else of the output with a vector for each token."""
        outputs: dict[str, int] = {
            node.name: len(node.shape) for node in session.get_outputs() if "float" in node.type
        }
        if outputs.get(_SENTENCE_OUTPUT) == 2:  # noqa: PLR2004  (a row for each text)
            return _SENTENCE_OUTPUT
        if self._folder.other_module:
            raise self._unusable(f"its module {self._folder.other_module} is not in model.onnx")
        for name, dimensions in outputs.items():
            if dimensions == 3:  # noqa: PLR2004  (text, token, vector)
                return name
        raise self._unusable("no output has a vector for each token")

    def _unusable(self, reason: object) -> ConfigError:
        shown = " ".join(str(reason).split())[:_MAX_REASON]
        return ConfigError(f"the embedding model {self._folder.path} cannot be used: {shown}", hint=HINT)


def _pool(tokens: "NDArray[np.float32]", pooling: str) -> "NDArray[np.float32]":
    """Return one vector for the rows of a text's tokens. There is no padding, so that every row counts."""
    pooled: NDArray[np.float32]
    if pooling == "max":
        pooled = tokens.max(axis=0)
    else:
        ends = {"cls": (0, 1), "lasttoken": (len(tokens) - 1, len(tokens))}
        first, last = ends.get(pooling, (0, len(tokens)))
        # mean_sqrt_len_tokens divides the sum by another number: the direction is that of the mean
        pooled = tokens[first:last].mean(axis=0)
    return pooled
