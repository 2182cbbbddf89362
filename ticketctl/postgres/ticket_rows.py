"""Tickets as rows of `tickets`: from a row to a ticket, and from a new ticket to the parameters of its insert."""

from typing import Any

import msgspec
from sqlalchemy import RowMapping

from ticketctl.postgres.schema import tickets
from ticketctl.tickets.models import NewTicket, Ticket
from ticketctl.tickets.statuses import TicketStatus

_COLUMNS = [column.name for column in tickets.columns]
_KEY_SEPARATOR = "\n"
"""Stands between an idempotency key and its owner; the ticket service refuses keys with line breaks."""


def to_ticket(row: RowMapping) -> Ticket:
    """Return the ticket of a row; the row may have more columns."""
    values = {name: row[name] for name in _COLUMNS}
    values["status"] = TicketStatus(values["status"])
    if values["idempotency_key"] is not None:
        values["idempotency_key"] = values["idempotency_key"].rpartition(_KEY_SEPARATOR)[2]
    return Ticket(**values)


def to_parameters(ticket: NewTicket) -> dict[str, Any]:
    """Return the parameters of the insert. The unique column holds the key's owner too, unless that is empty."""
    parameters: dict[str, Any] = msgspec.to_builtins(ticket)
    owner = parameters.pop("key_owner")
    if owner and ticket.idempotency_key is not None:
        parameters["idempotency_key"] = f"{owner}{_KEY_SEPARATOR}{ticket.idempotency_key}"
    return parameters
