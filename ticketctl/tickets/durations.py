"""Parse times as people write them: an age such as "2h", or a date."""

import re
from datetime import UTC, datetime, timedelta

from ticketctl.errors import InvalidInputError

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
"""Seconds per unit of an age, the shortest first."""
_AGE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)([smhdw])")


def parse_since(text: str, *, now: datetime) -> datetime:
    """Return the time that `since` means: an age before `now` ("15m", "2h", "3d"), or ISO 8601 (UTC by default).

    Raises:
        InvalidInputError: The text is neither.
    """
    if (match := _AGE.fullmatch(text)) is not None:
        try:
            return now - timedelta(seconds=float(match[1]) * UNITS[match[2]])
        except OverflowError:
            return datetime.min.replace(tzinfo=UTC)
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidInputError(
            f"since cannot be {text!r}",
            hint="use an age or a date: 15m, 2h, 3d, 2026-01-31 or 2026-01-31T12:00Z",
        ) from None
