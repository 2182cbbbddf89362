"""The errors of this package with their exit statuses. The command line reports all of them in one place.

TicketctlError            1  the base class; nothing raises it directly
├── InvalidInputError     2  the input is invalid
│   └── ConflictError     2  the ticket's state, or an idempotency key, does not allow the operation
├── NotFoundError         3  there is no such ticket or message
├── ConfigError           4  a setting is wrong or missing, or needs an extra that is not installed
├── DatabaseError         5  the database is unreachable, refuses, or times out
│   └── StaleSchemaError  5  the tables are older or newer than this program
├── QueueError            6  the queue is unreachable or refuses
├── ProviderError         7  the AI provider is unreachable, refuses, or returns an unusable response
└── UnsafeError           8  records failed, or a tested configuration is not safe
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar


class TicketctlError(Exception):
    """The base class. The message is one line that says what happened; `hint` says what to do next."""

    exit_status: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class InvalidInputError(TicketctlError):
    """The input is invalid."""

    exit_status = 2


class ConflictError(InvalidInputError):
    """The state of the ticket, or an idempotency key, does not allow the operation."""


class NotFoundError(TicketctlError):
    """There is no such ticket or message."""

    exit_status = 3


class ConfigError(TicketctlError):
    """A setting is wrong or missing, or needs an extra that is not installed."""

    exit_status = 4


class DatabaseError(TicketctlError):
    """The database is unreachable, refuses, or times out."""

    exit_status = 5


class StaleSchemaError(DatabaseError):
    """The tables are older or newer than this program."""


class QueueError(TicketctlError):
    """The queue is unreachable or refuses."""

    exit_status = 6


class ProviderError(TicketctlError):
    """The AI provider is unreachable, refuses, or returns an unusable response."""

    exit_status = 7


class UnsafeError(TicketctlError):
    """Records failed, or a tested configuration is not safe."""

    exit_status = 8


_TYPE_NAMES = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
    "null": "nothing",
}
_NO_PATTERNS: Mapping[str, str] = MappingProxyType({})


def explain_validation_error(message: str, patterns: Mapping[str, str] = _NO_PATTERNS) -> tuple[str, str]:
    """Return the path of the value that msgspec refuses, such as `routes[2].team`, and what is wrong in plain words.

    `patterns` maps regular expressions of the schema to what they require.
    """
    located = re.fullmatch(r"(.*) - at `(?:(key|\.\.\.)` in `)?\$\.?(.*)`", message, re.DOTALL)
    problem, path = (located[1], located[3]) if located else (message, "")
    subject = "a key" if located and located[2] == "key" else "it"
    if found := re.fullmatch(r"Object contains unknown field `(.*)`", problem, re.DOTALL):
        return f"{path}.{found[1]}".lstrip("."), "there is no such key"
    if found := re.fullmatch(r"Object missing required field `(.*)`", problem, re.DOTALL):
        return f"{path}.{found[1]}".lstrip("."), "it is missing"
    if found := re.fullmatch(r"Invalid enum value (.*)", problem, re.DOTALL):
        return path, f"{found[1]} is not one of its values"
    if found := re.fullmatch(r"Expected `([^`]+)`(?:, got `(\w+)`)?(.*)", problem, re.DOTALL):
        return (
            path,
            f"{subject} must be {_describe_expectation(found[1], found[2], found[3].strip(), patterns)}",
        )
    return path, problem


def _describe_expectation(kinds: str, actual: str | None, limit: str, patterns: Mapping[str, str]) -> str:
    """Describe "Expected `kinds`, got `actual`" or "Expected `kinds` limit"."""
    names = [_TYPE_NAMES.get(kind, kind) for kind in kinds.split(" | ") if kind != "null"]
    expected = " or ".join(names)
    if actual is not None:
        return f"{expected}, not {_TYPE_NAMES.get(actual, f'a {actual}')}"
    if limit.startswith("matching regex "):
        return patterns.get(_unquote(limit.removeprefix("matching regex ")), "written in another form")
    if limit == "of length >= 1":
        return f"{expected} that is not empty"
    if found := re.fullmatch(r"of length (>=|<=) (\d+)", limit):
        unit = "characters" if kinds == "str" else "entries"
        return f"{expected} of at {'least' if found[1] == '>=' else 'most'} {found[2]} {unit}"
    if found := re.fullmatch(r"(>=|<=|>|<) (\S+)", limit):
        words = {">=": "of at least", "<=": "of at most", ">": "above", "<": "below"}
        return f"{expected} {words[found[1]]} {float(found[2]):g}"
    return f"{expected} {limit}".strip()


def _unquote(quoted: str) -> str:
    """Return the text whose Python literal this is."""
    return quoted[1:-1].encode().decode("unicode_escape")
