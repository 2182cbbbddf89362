"""Limit what AI responses may cost."""

from collections.abc import Iterable

from ticketctl.errors import ProviderError
from ticketctl.tickets.pricing import Prices, compute_cost, sum_costs


class Budget:
    """Counts the cost of AI responses of a process, in the currency of the prices; `limit` None means no limit.

    Requests that are running when the limit is reached still complete, so the total can exceed it by their cost.
    """

    def __init__(self, prices: Prices, limit: float | None = None) -> None:
        self._prices = prices
        self._limit = limit
        self.spent: float | None = 0.0
        """The total so far; None after a response of unknown cost."""

    @property
    def is_exhausted(self) -> bool:
        """Whether the total has reached the limit."""
        return self._limit is not None and self.spent is not None and self.spent >= self._limit

    def require_prices(self, models: Iterable[str]) -> None:
        """Raise ProviderError if there is a limit and one of the models has no known price."""
        for model in models:
            if self._limit is not None and model not in self._prices:
                raise ProviderError(
                    f"the budget cannot be enforced: the price of the model {model} is unknown",
                    hint="set TICKETCTL_AI_PRICES, like model=0.25/2",
                )

    def check(self, model: str) -> None:
        """Raise ProviderError if the budget is exhausted or cannot be enforced for this model."""
        self.require_prices([model])
        if self._limit is not None and self.spent is None:
            raise missing_usage_error()
        if self.is_exhausted:
            raise ProviderError(
                f"the budget of {self._limit:g} is spent",
                hint="raise the budget, or continue later with retry",
            )

    def add(self, model: str, input_tokens: int, output_tokens: int) -> None:
        """Add the cost of one response."""
        self.spent = sum_costs([self.spent, compute_cost(self._prices, model, input_tokens, output_tokens)])


def missing_usage_error() -> ProviderError:
    """Return the error for a server that reports no token usage."""
    return ProviderError(
        "the budget cannot be enforced: the AI provider does not report its token usage",
        hint="continue without a budget, or use a server that reports its usage",
    )
