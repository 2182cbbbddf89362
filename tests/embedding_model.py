"""A tiny embedding model in ONNX format, written without the onnx package: one vector for each known word.

The bytes are those of onnx.proto's ModelProto: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
"""

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

FLOAT, INT64 = 1, 7
MEANINGS: dict[str, tuple[float, ...]] = {
    "[UNK]": (0, 0, 0, 0.1),
    "[CLS]": (0, 0, 0, 1),
    "tea": (1, 0, 0, 0),
    "matcha": (1, 0.1, 0, 0),
    "sencha": (0.9, 0, 0.1, 0),
    "coffee": (0, 1, 0, 0),
    "espresso": (0.1, 1, 0, 0),
    "ristretto": (0, 0.9, 0.1, 0),
    "please": (0, 0, 1, 0),
}
"""Words of one meaning have similar vectors."""


def write_model(
    folder: Path,
    vectors: Mapping[str, Sequence[float]] = MEANINGS,
    *,
    pooling: str | None = "mean_tokens",
    place: str = "model.onnx",
    output: str = "last_hidden_state",
    inputs: Sequence[str] = ("input_ids", "attention_mask", "token_type_ids"),
    **configs: Any,
) -> Path:
    """Write a model folder and return it. `configs` are the contents of further files: config, modules and the like."""
    (folder / place).parent.mkdir(parents=True, exist_ok=True)
    (folder / place).write_bytes(make_onnx(list(vectors.values()), inputs, output))
    tokenizer = Tokenizer(WordLevel({word: at for at, word in enumerate(vectors)}, unk_token="[UNK]"))  # noqa: S106  (no password)
    tokenizer.pre_tokenizer = Whitespace()
    if "[CLS]" in vectors:
        tokenizer.post_processor = TemplateProcessing(
            single="[CLS] $A", special_tokens=[("[CLS]", list(vectors).index("[CLS]"))]
        )
    tokenizer.enable_padding(length=16)  # as all-MiniLM-L6-v2 has it: the encoder must not pad
    tokenizer.save(str(folder / "tokenizer.json"))
    files: dict[str, Any] = {"config": {"max_position_embeddings": 512}} | configs
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    if pooling is not None:
        (folder / "1_Pooling").mkdir(exist_ok=True)
        (folder / "1_Pooling/config.json").write_text(json.dumps({f"pooling_mode_{pooling}": True}))
    return folder


def make_onnx(table: Sequence[Sequence[float]], inputs: Sequence[str], output: str) -> bytes:
    """Return a model that looks up the row of each token; the other inputs are accepted and not used."""
    width = len(table[0])
    numbers = struct.pack(f"<{len(table) * width}f", *(number for row in table for number in row))
    tensor = varint(1, len(table)) + varint(1, width) + varint(2, FLOAT) + text(8, "table") + data(9, numbers)
    node = text(1, "table") + text(1, inputs[0]) + text(2, output) + text(4, "Gather")
    graph = data(1, node) + text(2, "tiny") + data(5, tensor)
    for name in inputs:
        graph += data(11, value_info(name, INT64, ["batch", "tokens"]))
    graph += data(12, value_info(output, FLOAT, ["batch", "tokens", width]))
    return varint(1, 8) + data(7, graph) + data(8, varint(2, 13))


def value_info(name: str, element: int, shape: Sequence[str | int]) -> bytes:
    dimensions = (text(2, size) if isinstance(size, str) else varint(1, size) for size in shape)
    tensor = varint(1, element) + data(2, b"".join(data(1, dimension) for dimension in dimensions))
    return text(1, name) + data(2, data(1, tensor))


def varint(field: int, number: int) -> bytes:
    return encode_varint(field << 3) + encode_varint(number)


def text(field: int, content: str) -> bytes:
    return data(field, content.encode())


def data(field: int, content: bytes) -> bytes:
    return encode_varint(field << 3 | 2) + encode_varint(len(content)) + content


def encode_varint(number: int) -> bytes:
    encoded = b""
    while number > 127:
        encoded += bytes([number & 127 | 128])
        number >>= 7
    return encoded + bytes([number])
