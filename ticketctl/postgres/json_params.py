"""Lists as JSON parameters: how Python writes them and how a statement reads them.

JSON, because for the type of an array asyncpg queries the catalogue, and turns the session's jit off and on around that
query. The `limit` clauses below remove no row. They tell the planner how few elements there are: it estimates a hundred
for any JSON value, and then prefers to scan a table of some thousand rows over using its index.
"""

import re
from typing import Any

import msgspec

# an escaped NUL, not a backslash that is itself escaped and happens to stand before "u0000"
_ESCAPED_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


def encode_jsonb(value: Any) -> str:
    """Encode a value for a jsonb parameter, without NUL characters: Postgres cannot store them."""
    text = msgspec.json.encode(value).decode()
    return _ESCAPED_NUL.sub(r"\1", text) if "\\u0000" in text else text


def json_rows(parameter: str, columns: str) -> str:
    """Return SQL that reads a parameter as rows; `columns` lists each name with its type."""
    return f"""select * from jsonb_to_recordset(cast(:{parameter} as jsonb)) as r({columns})
  limit {_length(parameter)}"""  # noqa: S608 - callers pass constants of this package


def json_values(parameter: str, sql_type: str) -> str:
    """Return SQL that reads a parameter as values of one type."""
    return f"""select cast(value as {sql_type}) from jsonb_array_elements_text(cast(:{parameter} as jsonb))
  limit {_length(parameter)}"""  # noqa: S608 - as above


def _length(parameter: str) -> str:
    return f"jsonb_array_length(cast(:{parameter} as jsonb))"
