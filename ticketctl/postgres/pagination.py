"""List cursors: the position where a page ended, as text with a checksum."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ticketctl.errors import InvalidInputError
from ticketctl.tickets.sorting import SORT_COLUMNS

MISSING_NUMBER = -1.0
"""Stands for a confidence that a ticket does not have. A missing text is an empty one."""
_CHECKSUM_BYTES = 6
_LARGEST_ID = 2**63 - 1
_Time = Annotated[datetime, Meta(tz=True)]
_Id = Annotated[int, Meta(ge=1, le=_LARGEST_ID)]
_Text = Annotated[str, Meta(max_length=1000, pattern="^[^\0]*$")]
_Number = Annotated[float, Meta(ge=MISSING_NUMBER, le=1)]
_KINDS: dict[str, Any] = {"created_at": _Time, "updated_at": _Time, "id": _Id, "confidence": _Number}
"""The type of a value by its column; the other columns hold text."""


class Position(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The last row of a page: the sort order, the row's value in that order, its ticket id."""

    sort: str
    value: Any
    ticket_id: _Id


_decoder = msgspec.json.Decoder(Position)


def encode(position: Position) -> str:
    """Return the cursor of a position; equal times with different UTC offsets have the same cursor."""
    value = position.value
    if isinstance(value, datetime):
        value = value.astimezone(UTC)
    content = msgspec.json.encode(Position(position.sort, value, position.ticket_id))
    checksum = sha256(content).digest()[:_CHECKSUM_BYTES]
    return urlsafe_b64encode(checksum + content).decode().rstrip("=")


def decode(cursor: str, sort: str) -> Position:
    """Return the position of a cursor that was made for the order `sort`.

    Raises:
        InvalidInputError: The cursor was edited, truncated, or made for another order.
    """
    hint = "pass next_cursor as the previous page returned it, with the same order"
    try:
        raw = urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4))
        position = _with_typed_value(_decoder.decode(raw[_CHECKSUM_BYTES:]))
        # encoding again verifies the checksum, and refuses every other spelling of the same content
        unchanged = encode(position) == cursor
    except (ValueError, OverflowError, msgspec.DecodeError):
        raise InvalidInputError("the cursor cannot be read", hint=hint) from None
    if not unchanged:
        raise InvalidInputError("the cursor was changed", hint=hint)
    if position.sort != sort:
        raise InvalidInputError(f"the cursor was made for the order {position.sort}", hint=hint)
    return position


def _with_typed_value(position: Position) -> Position:
    kind = _KINDS.get(SORT_COLUMNS.get(position.sort.removeprefix("-"), ""), _Text)
    return msgspec.structs.replace(position, value=msgspec.convert(position.value, kind))
