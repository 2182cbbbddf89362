"""Read tickets from CSV and JSON Lines."""

import csv
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

from ticketctl.errors import InvalidInputError
from ticketctl.tickets import decisions, service
from ticketctl.tickets.importing.records import (
    IMPORTED_FIELDS,
    ImportedTicket,
    Records,
    Refused,
    make_key,
    shorten_key,
)
from ticketctl.tickets.models import BODY_LIMIT, NewTicket
from ticketctl.tickets.statuses import TicketStatus

_FIELD_LIMIT = 4 * BODY_LIMIT
"""Characters of one CSV field. A quote that is never closed would otherwise swallow the rest of the file."""
_UNCLOSED = "a quote is opened and never closed; the rest of the file was not read"
_ENCODINGS = "utf-16, cp1252 or latin-1, for example"
_GARBLED = re.compile("[\0\ud800-\udfff]")
"""Characters that text has only if it was read in another encoding than it was written in."""
_LINE_LIMIT = 8 * BODY_LIMIT
"""Characters of one line of JSON: JSON may escape a character with six others."""


def read_csv(lines: TextIO, name: str, columns: Mapping[str, str]) -> Records:
    """Yield the tickets of a CSV file with a header. `columns` maps fields to the file's own column names.

    Raises:
        InvalidInputError: It has no header, or no column for the subject.
    """
    csv.field_size_limit(_FIELD_LIMIT)
    rows = csv.reader(lines, strict=True)
    header = _read_header(rows, name)
    positions = _find_columns(header, name, columns)
    while True:
        place = f"{name}:{rows.line_num + 1}"
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            reason = _UNCLOSED if "unexpected end of data" in str(error) else f"it is not CSV: {error}"
            yield Refused(place=place, reason=reason)
            continue
        if not row:
            continue
        if len(row) != len(header):
            yield Refused(place=place, reason=f"it has {len(row)} columns, the header has {len(header)}")
            continue
        yield _to_ticket(place, {field: row[number] or None for field, number in positions.items()})


def _read_header(rows: Iterator[list[str]], name: str) -> list[str]:
    try:
        header = next(rows, [])
    except csv.Error as error:
        raise InvalidInputError(
            f"{name} is not CSV: {error}", hint="the first line names the columns"
        ) from None
    if any(_is_garbled(column) for column in header):
        raise InvalidInputError(f"{name} is not text in this encoding", hint=f"--encoding {_ENCODINGS}")
    if not header:
        raise InvalidInputError(f"{name} is empty", hint="the first line names the columns")
    return header


def _find_columns(header: list[str], name: str, columns: Mapping[str, str]) -> dict[str, int]:
    numbers = {column.strip().lower(): number for number, column in enumerate(header)}
    positions = {}
    for field in IMPORTED_FIELDS:
        column = columns.get(field, field).strip().lower()
        if column in numbers:
            positions[field] = numbers[column]
        elif field in columns:
            raise InvalidInputError(
                f"{name} has no column {columns[field]}", hint=f"it has {', '.join(header)}"
            )
    if "subject" not in positions:
        raise InvalidInputError(
            f"{name} has no column for the subject", hint=f"--map subject={header[0]}, for example"
        )
    return positions


def read_json_lines(lines: TextIO, name: str, columns: Mapping[str, str]) -> Records:
    """Yield the tickets of a file with one JSON object per line. `columns` is as for `read_csv`."""
    number = 0
    while line := lines.readline(_LINE_LIMIT):
        number += 1
        place = f"{name}:{number}"
        if len(line) == _LINE_LIMIT:
            yield Refused(place=place, reason=f"the line has more than {_LINE_LIMIT:,} characters")
            while line and not line.endswith("\n"):
                line = lines.readline(_LINE_LIMIT)
            continue
        if not line.strip():
            continue
        try:
            parsed = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield Refused(place=place, reason=f"it is not JSON: {error}")
            continue
        if not isinstance(parsed, dict):
            yield Refused(place=place, reason="it is not a JSON object")
            continue
        yield _to_ticket(place, {field: parsed.get(columns.get(field, field)) for field in IMPORTED_FIELDS})


def _is_garbled(value: object) -> bool:
    return isinstance(value, str) and _GARBLED.search(value) is not None


def _to_ticket(place: str, values: Mapping[str, Any]) -> ImportedTicket | Refused:
    try:
        return _parse(place, values)
    except InvalidInputError as error:
        return Refused(place=place, reason=str(error))


def _parse(place: str, values: Mapping[str, Any]) -> ImportedTicket:
    texts = {name: _get_text(values, name) for name in IMPORTED_FIELDS if name != "tags"}
    if any(map(_is_garbled, texts.values())):
        raise InvalidInputError(
            f"it is not text in this encoding; the option --encoding names another: {_ENCODINGS}"
        )
    subject, body, requester = texts["subject"] or "", texts["body"] or "", texts["requester"]
    key = texts["idempotency_key"]
    ticket = NewTicket(
        subject=subject,
        body=body,
        requester=requester,
        idempotency_key=make_key(subject, body, requester) if key is None else shorten_key(key),
    )
    service.check_ticket(ticket)
    assignee, status = texts["assignee"], texts["status"]
    if status is not None and status not in set(TicketStatus):
        raise InvalidInputError(f"the status is {status!r}, neither new nor closed")
    if assignee is not None:
        decisions.check_name("assignee", assignee)
    return ImportedTicket(
        place=place,
        ticket=ticket,
        created_at=_parse_time(texts["created_at"]),
        assignee=assignee,
        tags=_parse_tags(values.get("tags")),
        status="closed" if status == "closed" else "new",
    )


def _get_text(values: Mapping[str, Any], name: str) -> str | None:
    value = values.get(name)
    if value is None or isinstance(value, str):
        return value
    raise InvalidInputError(f"the {name} is not text")


def _parse_time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInputError(f"created_at is {text!r}, not a time in ISO 8601") from None


def _parse_tags(value: Any) -> tuple[str, ...]:
    if isinstance(value, str) and value.startswith("["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise InvalidInputError("the tags are not a list") from None
    names = value.replace(",", " ").split() if isinstance(value, str) else value or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InvalidInputError("the tags are not a list of texts")
    for name in names:
        decisions.tag(name)
    return tuple(sorted(set(names)))
