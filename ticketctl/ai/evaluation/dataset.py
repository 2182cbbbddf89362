"""Load labelled texts: CSV with a header (separated by commas, semicolons or tabs), or JSON Lines."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from ticketctl.errors import InvalidInputError

_ROW_HINT = "every row needs a text and its label"
_DELIMITERS = ",;\t"
_MAX_FIELD_CHARACTERS = 1 << 30  # the csv module's own limit is shorter than the longest ticket
_QUOTES_HINT = "put a text that contains a comma in double quotes"


class LabeledText(NamedTuple):
    """A text and the label that a person gave it."""

    text: str
    label: str


def load_dataset(path: Path, text_column: str = "text", label_column: str = "label") -> list[LabeledText]:
    """Return the labelled texts of a .csv, .tsv, .jsonl or .ndjson file, in the file's order.

    The file is UTF-8, with or without a byte order mark. Column names match regardless of case and surrounding
    spaces. Labels may be whole numbers.

    Raises:
        InvalidInputError: The file has another format, a column is missing, or a row lacks its text or label.
    """
    texts = [
        LabeledText(
            get_text(path, line, row, text_column), get_text(path, line, _numbers_to_text(row), label_column)
        )
        for line, row in read_rows(path)
    ]
    if not texts:
        raise InvalidInputError(f"{path} has no rows", hint=_ROW_HINT)
    return texts


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield each row of a .csv, .tsv, .jsonl or .ndjson file with the number of its line.

    Raises:
        InvalidInputError: The file cannot be read, or a row is malformed; the error names the line.
    """
    readers = {".csv": _read_csv, ".tsv": _read_csv, ".jsonl": _read_json_lines, ".ndjson": _read_json_lines}
    read = readers.get(path.suffix.lower())
    if read is None:
        raise InvalidInputError(
            f"{path} is neither .csv nor .jsonl", hint="give the file the suffix of its format"
        )
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from read(path, file)
    except FileNotFoundError:
        raise InvalidInputError(f"there is no file {path}", hint="check the name and the folder") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidInputError(
            f"{path} cannot be read: {error}", hint="the file must be UTF-8 text"
        ) from error


def _read_csv(path: Path, file: IO[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    csv.field_size_limit(_MAX_FIELD_CHARACTERS)
    header = file.readline()
    file.seek(0)
    reader = csv.DictReader(file, delimiter=max(_DELIMITERS, key=header.count))
    for row in reader:
        if None in row:
            raise InvalidInputError(
                f"{path}, line {reader.line_num}: more fields than the header has columns", hint=_QUOTES_HINT
            )
        yield reader.line_num, row


def _read_json_lines(path: Path, file: IO[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    for line, text in enumerate(file, start=1):
        if not text.strip():
            continue
        try:
            row = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InvalidInputError(f"{path}, line {line}: not valid JSON: {error}", hint=_ROW_HINT) from None
        if not isinstance(row, dict):
            raise InvalidInputError(f"{path}, line {line}: not a JSON object", hint=_ROW_HINT)
        yield line, row


def get_text(path: Path, line: int, row: dict[str, Any], column: str) -> str:
    """Return the text in a column of a row. Raises InvalidInputError if there is none; the error names the line."""
    name = column if column in row else next((name for name in row if _is_same_name(name, column)), None)
    if name is None:
        columns = ", ".join(map(str, row))
        raise InvalidInputError(
            f"{path}, line {line}: there is no column {column!r}; the columns are {columns}",
            hint="name the columns with --text-column and --label-column",
        )
    value = row[name]
    if not isinstance(value, str) or not value.strip():
        raise InvalidInputError(f"{path}, line {line}: {column} is empty or not a text", hint=_ROW_HINT)
    return value.encode(errors="replace").decode().strip()  # JSON may contain a lone surrogate


def _numbers_to_text(row: dict[str, Any]) -> dict[str, Any]:
    """Return the row with whole numbers as text, because a label may be a number."""
    return {name: str(value) if type(value) is int else value for name, value in row.items()}


def _is_same_name(name: str, column: str) -> bool:
    return name.strip().casefold() == column.strip().casefold()
