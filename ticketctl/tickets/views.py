"""The JSON forms that every edge gives out. A ticket's and a page's are `Ticket` and `TicketPage` themselves."""

from dataclasses import dataclass, fields
from typing import Any

from ticketctl.tickets.models import Attempt, StepRecord, Ticket, TicketHistory
from ticketctl.tickets.pricing import Prices, cost, total


@dataclass(frozen=True, slots=True, kw_only=True)
class StepForm(StepRecord):
    """A saved step, and what it cost; None where nobody can know."""

    cost: float | None

    @classmethod
    def of(cls, step: StepRecord, prices: Prices) -> "StepForm":
        """The form of a step."""
        return cls(**_values(step), cost=cost(prices, step.model, step.input_tokens, step.output_tokens))


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketForm(Ticket):
    """A ticket with every saved step and every try, and what its steps cost; None where nobody can know."""

    steps: list[StepForm]
    attempts: list[Attempt]
    cost: float | None

    @classmethod
    def of(cls, history: TicketHistory, prices: Prices) -> "TicketForm":
        """The form of a history."""
        steps = [StepForm.of(step, prices) for step in history.steps]
        return cls(
            **_values(history.ticket),
            steps=steps,
            attempts=history.attempts,
            cost=total(step.cost for step in steps),
        )


def _values(record: Ticket | StepRecord) -> dict[str, Any]:
    return {column.name: getattr(record, column.name) for column in fields(record)}
