"""Times as people read them."""

from datetime import UTC, datetime

from ticketctl.tickets.durations import UNITS


def iso(moment: datetime | None) -> str:
    """ISO 8601 in UTC, or nothing."""
    return "" if moment is None else moment.astimezone(UTC).isoformat(timespec="milliseconds")


def relative(moment: datetime | None, *, now: datetime) -> str:
    """How long ago, in the largest unit that fits: "3 h ago"."""
    if moment is None:
        return ""
    seconds = max(0.0, (now - moment).total_seconds())
    for unit, length in reversed(UNITS.items()):
        if seconds >= length:
            name = {"m": "min"}.get(unit, unit)
            return f"{int(seconds // length)} {name} ago"
    return "just now"
