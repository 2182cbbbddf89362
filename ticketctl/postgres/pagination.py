"""Cursors of a list: where a page ended, as text that shows when it was changed."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated

import msgspec
from msgspec import Meta

from ticketctl.errors import InvalidInputError

_CHECKSUM = 6


class Place(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The last row of a page: the order it was listed in, its time in that order, its id."""

    sort: str
    time: Annotated[datetime, Meta(tz=True)]
    ticket_id: Annotated[int, Meta(ge=1, le=2**63 - 1)]


_decoder = msgspec.json.Decoder(Place)


def encode(place: Place) -> str:
    """The cursor of a place: the same for the same moment, whatever its offset."""
    content = msgspec.json.encode(Place(place.sort, place.time.astimezone(UTC), place.ticket_id))
    checksum = sha256(content).digest()[:_CHECKSUM]
    return urlsafe_b64encode(checksum + content).decode().rstrip("=")


def decode(cursor: str, sort: str) -> Place:
    """The place of a cursor that was made for the order `sort`.

    Raises:
        InvalidInputError: It was changed, cut, or made for another order.
    """
    hint = "take next_cursor as the page before gave it, with the same order"
    try:
        raw = urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4))
        place = _decoder.decode(raw[_CHECKSUM:])
        unchanged = encode(place) == cursor
    except (ValueError, OverflowError, msgspec.DecodeError):
        raise InvalidInputError("the cursor cannot be read", hint=hint) from None
    if not unchanged:
        raise InvalidInputError("the cursor was changed", hint=hint)
    if place.sort != sort:
        raise InvalidInputError(f"the cursor was made for the order {place.sort}", hint=hint)
    return place
