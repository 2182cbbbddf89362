"""The JSON forms that every edge gives out. A ticket's and a page's are `Ticket` and `TicketPage` themselves."""

from dataclasses import dataclass, fields
from typing import Any

from ticketctl.tickets.models import Attempt, StepRecord, Ticket, TicketDetails
from ticketctl.tickets.pricing import Prices, cost, total


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView(StepRecord):
    """A saved step, and what it cost; None where nobody can know."""

    cost: float | None

    @classmethod
    def of(cls, step: StepRecord, prices: Prices) -> "StepView":
        """The form of a step."""
        return cls(**_values(step), cost=cost(prices, step.model, step.input_tokens, step.output_tokens))


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketView(Ticket):
    """A ticket with every saved step and every try, and what its steps cost; None where nobody can know."""

    steps: list[StepView]
    attempts: list[Attempt]
    cost: float | None

    @classmethod
    def of(cls, details: TicketDetails, prices: Prices) -> "TicketView":
        """The form of a details."""
        steps = [StepView.of(step, prices) for step in details.steps]
        return cls(
            **_values(details.ticket),
            steps=steps,
            attempts=details.attempts,
            cost=total(step.cost for step in steps),
        )


def _values(record: Ticket | StepRecord) -> dict[str, Any]:
    return {column.name: getattr(record, column.name) for column in fields(record)}
