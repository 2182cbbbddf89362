"""The statuses of a ticket; apart from `models`, so that `ticketctl --help` can list them cheaply."""

from enum import StrEnum


class TicketStatus(StrEnum):
    """Where a ticket stands."""

    NEW = "new"
    PROCESSING = "processing"
    PROCESSED = "processed"
    NEEDS_REVIEW = "needs_review"
    FAILED = "failed"
    CLOSED = "closed"
