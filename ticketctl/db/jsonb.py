"""JSON as Postgres can keep it."""

import re
from typing import Any

import msgspec

_ESCAPED_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


def as_jsonb(value: Any) -> str:
    """JSON for a jsonb parameter, less the NUL characters, which Postgres cannot keep."""
    text = msgspec.json.encode(value).decode()
    return _ESCAPED_NUL.sub(r"\1", text) if "\\u0000" in text else text
