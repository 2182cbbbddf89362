"""Format times for people and programs."""

from datetime import UTC, datetime

from ticketctl.tickets.durations import UNITS


def format_iso(moment: datetime | None) -> str:
    """Return a time in ISO 8601, UTC, or an empty text for None."""
    return "" if moment is None else moment.astimezone(UTC).isoformat(timespec="milliseconds")


def format_relative(moment: datetime | None, *, now: datetime) -> str:
    """Return how long ago a time was, in the largest unit that fits: "3 h ago"."""
    if moment is None:
        return ""
    seconds = max(0.0, (now - moment).total_seconds())
    for unit, length in reversed(UNITS.items()):
        if seconds >= length:
            name = {"m": "min"}.get(unit, unit)
            return f"{int(seconds // length)} {name} ago"
    return "just now"
