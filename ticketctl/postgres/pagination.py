"""List cursors: the position where a page ended, as text with a checksum."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated

import msgspec
from msgspec import Meta

from ticketctl.errors import InvalidInputError

_CHECKSUM_BYTES = 6


class Position(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The last row of a page: the sort order, the row's time in that order, its ticket id."""

    sort: str
    time: Annotated[datetime, Meta(tz=True)]
    ticket_id: Annotated[int, Meta(ge=1, le=2**63 - 1)]


_decoder = msgspec.json.Decoder(Position)


def encode(position: Position) -> str:
    """Return the cursor of a position; equal times with different UTC offsets have the same cursor."""
    content = msgspec.json.encode(Position(position.sort, position.time.astimezone(UTC), position.ticket_id))
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
        position = _decoder.decode(raw[_CHECKSUM_BYTES:])
        # encoding again verifies the checksum, and refuses every other spelling of the same content
        unchanged = encode(position) == cursor
    except (ValueError, OverflowError, msgspec.DecodeError):
        raise InvalidInputError("the cursor cannot be read", hint=hint) from None
    if not unchanged:
        raise InvalidInputError("the cursor was changed", hint=hint)
    if position.sort != sort:
        raise InvalidInputError(f"the cursor was made for the order {position.sort}", hint=hint)
    return position
