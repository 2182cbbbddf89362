"""The JSON forms that every edge gives out. A ticket's and a page's are `Ticket` and `TicketPage` themselves."""

from dataclasses import dataclass, fields

from ticketctl.domain import Attempt, StepRecord, Ticket, TicketHistory


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketForm(Ticket):
    """A ticket with every saved step and every try."""

    steps: list[StepRecord]
    attempts: list[Attempt]

    @classmethod
    def of(cls, history: TicketHistory) -> "TicketForm":
        """The form of a history."""
        columns = {column.name: getattr(history.ticket, column.name) for column in fields(Ticket)}
        return cls(**columns, steps=history.steps, attempts=history.attempts)
