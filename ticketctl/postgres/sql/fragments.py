"""Pieces that several statements share."""

from ticketctl.postgres.schema import tickets

LEASE_EXPIRED = "the worker ended or froze: its lease ran out"
"""The error of an attempt that no worker ended."""

NO_SUCH_TICKET = "there is no such ticket"
"""The reason of a dead letter whose ticket does not exist."""


def claimable(alias: str = "") -> str:
    """Return the condition under which a worker may claim a ticket; `alias` is empty or ends with a dot."""
    return f"({alias}status = 'new' or {alias}status = 'processing' and {alias}lease_until < now())"


CLAIMABLE = claimable()
"""The same for statements that name the columns of `tickets` without an alias."""

_TICKET_COLUMNS = [column.name for column in tickets.columns]


def ticket_columns(alias: str) -> str:
    """Return a select list with every column of `tickets`."""
    return ", ".join(f"{alias}.{name}" for name in _TICKET_COLUMNS)
