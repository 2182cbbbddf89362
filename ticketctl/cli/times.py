"""Times as people write and read them."""

import re
from datetime import UTC, datetime, timedelta

from ticketctl.errors import InvalidInputError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_AGE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)([smhdw])")


def parse_since(text: str, *, now: datetime) -> datetime:
    """The moment that `--since` means: an age ("15m", "2h", "3d"), or a date or time in ISO 8601 (UTC).

    Raises:
        InvalidInputError: It is neither.
    """
    if (match := _AGE.fullmatch(text)) is not None:
        try:
            return now - timedelta(seconds=float(match[1]) * _UNITS[match[2]])
        except OverflowError:
            return datetime.min.replace(tzinfo=UTC)
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidInputError(
            f"--since cannot be {text!r}", hint="it looks like 15m, 2h, 3d, 2026-01-31 or 2026-01-31T12:00Z"
        ) from None


def iso(moment: datetime | None) -> str:
    """ISO 8601 in UTC, or nothing."""
    return "" if moment is None else moment.astimezone(UTC).isoformat(timespec="milliseconds")


def relative(moment: datetime | None, *, now: datetime) -> str:
    """How long ago, in the largest unit that fits: "3 h ago"."""
    if moment is None:
        return ""
    seconds = max(0.0, (now - moment).total_seconds())
    for unit, length in reversed(_UNITS.items()):
        if seconds >= length:
            name = {"m": "min"}.get(unit, unit)
            return f"{int(seconds // length)} {name} ago"
    return "just now"
