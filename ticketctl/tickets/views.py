"""The JSON forms with costs, for every edge. `Ticket` and `TicketPage` are their own JSON forms."""

from dataclasses import dataclass, fields
from typing import Any

from ticketctl.tickets.models import Attempt, Note, StepRecord, Ticket, TicketDetails
from ticketctl.tickets.pricing import Prices, compute_cost, sum_costs


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView(StepRecord):
    """A saved step with its cost; None if the cost is unknown."""

    cost: float | None

    @classmethod
    def of(cls, step: StepRecord, prices: Prices) -> "StepView":
        """Build the view of a step."""
        return cls(
            **_values(step), cost=compute_cost(prices, step.model, step.input_tokens, step.output_tokens)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketView(Ticket):
    """A ticket with its saved steps, its attempts, its notes and the cost of its steps; None if the cost is unknown."""

    steps: list[StepView]
    attempts: list[Attempt]
    notes: list[Note]
    cost: float | None

    @classmethod
    def of(cls, details: TicketDetails, prices: Prices) -> "TicketView":
        """Build the view of a ticket."""
        steps = [StepView.of(step, prices) for step in details.steps]
        return cls(
            **_values(details.ticket),
            steps=steps,
            attempts=details.attempts,
            notes=details.notes,
            cost=sum_costs(step.cost for step in steps),
        )


def _values(record: Ticket | StepRecord) -> dict[str, Any]:
    return {column.name: getattr(record, column.name) for column in fields(record)}
