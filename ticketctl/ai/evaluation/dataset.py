"""Labelled texts from a file: CSV with a header (by commas, semicolons or tabs), or JSON Lines."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from ticketctl.errors import InvalidInputError, NotFoundError

_ROW = "every row needs a text and its label"
_DELIMITERS = ",;\t"
_LONGEST = 1 << 30  # characters of a field: the library's own limit is shorter than a ticket may be
_QUOTES = "a text with a comma in it stands in double quotes"


class LabeledText(NamedTuple):
    """A text and the label that a human gave it."""

    text: str
    label: str


def load_dataset(path: Path, text_column: str = "text", label_column: str = "label") -> list[LabeledText]:
    """The labelled texts of a .csv, .tsv, .jsonl or .ndjson file, in its order.

    It is UTF-8, with or without a byte order mark. Spaces around a column's name do not count, nor does its case;
    labels may be whole numbers.

    Raises:
        NotFoundError: There is no such file.
        InvalidInputError: It is no such file, a column is missing, or a row lacks its text or label.
    """
    kinds = {".csv": _csv, ".tsv": _csv, ".jsonl": _json_lines, ".ndjson": _json_lines}
    rows = kinds.get(path.suffix.lower())
    if rows is None:
        raise InvalidInputError(f"{path} is neither .csv nor .jsonl", hint="name it after what it is")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            samples = [
                LabeledText(
                    _field(path, line, row, text_column), _field(path, line, _named(row), label_column)
                )
                for line, row in rows(path, file)
            ]
    except FileNotFoundError:
        raise NotFoundError(f"there is no file {path}", hint="check its name and its folder") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidInputError(f"{path} cannot be read: {error}", hint="it must be UTF-8 text") from error
    if not samples:
        raise InvalidInputError(f"{path} has no rows", hint=_ROW)
    return samples


def _csv(path: Path, file: IO[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    csv.field_size_limit(_LONGEST)
    header = file.readline()
    file.seek(0)
    reader = csv.DictReader(file, delimiter=max(_DELIMITERS, key=header.count))
    for row in reader:
        if None in row:
            raise InvalidInputError(
                f"{path}, line {reader.line_num}: more fields than the header names", hint=_QUOTES
            )
        yield reader.line_num, row


def _json_lines(path: Path, file: IO[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    for line, text in enumerate(file, start=1):
        if not text.strip():
            continue
        try:
            row = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InvalidInputError(f"{path}, line {line}: no JSON: {error}", hint=_ROW) from None
        if not isinstance(row, dict):
            raise InvalidInputError(f"{path}, line {line}: no JSON object", hint=_ROW)
        yield line, row


def _field(path: Path, line: int, row: dict[str, Any], column: str) -> str:
    name = column if column in row else next((name for name in row if _same(name, column)), None)
    if name is None:
        columns = ", ".join(map(str, row))
        raise InvalidInputError(
            f"{path}, line {line}: no column {column!r}: there are {columns}",
            hint="--text-column and --label-column name the columns",
        )
    value = row[name]
    if not isinstance(value, str) or not value.strip():
        raise InvalidInputError(f"{path}, line {line}: {column} is empty or no text", hint=_ROW)
    return value.encode(errors="replace").decode().strip()  # JSON may hold half a pair of surrogates


def _named(row: dict[str, Any]) -> dict[str, Any]:
    """The row with whole numbers as the names that they are, should one be the label."""
    return {name: str(value) if type(value) is int else value for name, value in row.items()}


def _same(name: str, column: str) -> bool:
    return name.strip().casefold() == column.strip().casefold()
