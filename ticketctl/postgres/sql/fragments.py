"""Pieces that several statements share."""

from ticketctl.postgres.schema import tickets

LEASE_EXPIRED = "the worker ended or froze: its lease ran out"
"""The error of an attempt that no worker ended."""

NO_SUCH_TICKET = "there is no such ticket"
"""The reason of a dead letter whose ticket does not exist."""

CLAIMABLE = "(status = 'new' or status = 'processing' and lease_until < now())"
"""The condition under which a worker may claim a ticket; it names columns of `tickets` without an alias."""

_TICKET_COLUMNS = [column.name for column in tickets.columns]


def ticket_columns(alias: str) -> str:
    """Return a select list with every column of `tickets`."""
    return ", ".join(f"{alias}.{name}" for name in _TICKET_COLUMNS)
