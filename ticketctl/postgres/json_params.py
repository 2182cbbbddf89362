"""Lists as JSON parameters: how Postgres can keep them, and how a statement reads them.

JSON, because for an array's type asyncpg asks the catalogue, and switches the session's jit off and on meanwhile. The
limits limit nothing: they tell the planner how few the elements are. Else it counts on a hundred of any JSON, and
reads a table of some thousand rows from end to end rather than its index.
"""

import re
from typing import Any

import msgspec

_ESCAPED_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


def as_jsonb(value: Any) -> str:
    """JSON for a jsonb parameter, less the NUL characters, which Postgres cannot keep."""
    text = msgspec.json.encode(value).decode()
    return _ESCAPED_NUL.sub(r"\1", text) if "\\u0000" in text else text


def rows_of(parameter: str, columns: str) -> str:
    """SQL that reads a parameter as rows with these columns, each a name and a type."""
    return f"""select * from jsonb_to_recordset(cast(:{parameter} as jsonb)) as r({columns})
  limit {_length(parameter)}"""  # noqa: S608 - what is put in stands in our own modules


def values_of(parameter: str, kind: str) -> str:
    """SQL that reads a parameter as values of one type."""
    return f"""select cast(value as {kind}) from jsonb_array_elements_text(cast(:{parameter} as jsonb))
  limit {_length(parameter)}"""  # noqa: S608 - as above


def _length(parameter: str) -> str:
    return f"jsonb_array_length(cast(:{parameter} as jsonb))"
