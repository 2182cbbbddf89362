"""Write tickets as CSV or JSON Lines for other programs."""

import csv
import dataclasses
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import msgspec

from ticketctl.cli.rendering.escaping import escape_controls, escape_json_controls
from ticketctl.errors import InvalidInputError

if TYPE_CHECKING:
    from ticketctl.tickets.models import Ticket

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""First characters that make spreadsheets evaluate a cell: https://owasp.org/www-community/attacks/CSV_Injection."""


def list_fields() -> list[str]:
    """Return the names of a ticket's fields."""
    from ticketctl.tickets.models import Ticket

    return [column.name for column in dataclasses.fields(Ticket)]


@contextmanager
def open_output(path: Path | None) -> Iterator[TextIO]:
    """Open the file, or stdout. Raise InvalidInputError if it cannot be written."""
    if path is None:
        yield sys.stdout
        return
    try:
        file = path.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise InvalidInputError(
            f"{path} cannot be written: {error.strerror}", hint="name another file"
        ) from None
    with file:
        yield file


def make_writer(
    kind: str, stream: TextIO, names: Sequence[str], *, is_raw: bool
) -> "Callable[[Sequence[Ticket]], None]":
    """Return a function that writes tickets. With `is_raw`, CSV cells stay as they are.

    Without it, control characters are escaped, and a cell that looks like a formula begins with an apostrophe.
    """
    if kind == "jsonl":

        def write_lines(tickets: "Sequence[Ticket]") -> None:
            for ticket in tickets:
                line = msgspec.json.encode({name: getattr(ticket, name) for name in names})
                stream.write(escape_json_controls(line.decode()) + "\n")

        return write_lines
    rows = csv.writer(stream, lineterminator="\n")
    rows.writerow(names)

    def write_rows(tickets: "Sequence[Ticket]") -> None:
        for ticket in tickets:
            cells = [_format(getattr(ticket, name)) for name in names]
            rows.writerow(cells if is_raw else map(_disarm, cells))

    return write_rows


def _format(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, datetime):
        return value.isoformat()
    return msgspec.json.encode(value).decode() if isinstance(value, list | dict) else str(value)


def _disarm(cell: str) -> str:
    escaped = escape_controls(cell, multiline=True)
    return f"'{escaped}" if escaped.startswith(_FORMULA_STARTS) else escaped
