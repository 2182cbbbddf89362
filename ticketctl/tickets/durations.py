"""Times as people write them: an age, or a moment."""

import re
from datetime import UTC, datetime, timedelta

from ticketctl.errors import InvalidInputError

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
"""Seconds that the letter behind an age stands for, the shortest first."""
_AGE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)([smhdw])")


def parse_since(text: str, *, now: datetime) -> datetime:
    """The moment that a list's `since` means: an age ("15m", "2h", "3d"), or ISO 8601 (UTC).

    Raises:
        InvalidInputError: It is neither.
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
            f"since cannot be {text!r}", hint="it looks like 15m, 2h, 3d, 2026-01-31 or 2026-01-31T12:00Z"
        ) from None
