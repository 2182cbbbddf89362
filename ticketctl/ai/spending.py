"""What answers cost, and how much may be spent."""

from collections.abc import Mapping
from dataclasses import dataclass

from ticketctl.errors import ProviderError

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs: in any one currency, for a million tokens read and a million written."""

    input: float
    output: float

    def of(self, input_tokens: int, output_tokens: int) -> float:
        """The price of one answer."""
        return (self.input * input_tokens + self.output * output_tokens) / _MILLION


class Budget:
    """Counts what is spent, in the currency of the prices, over all loops of a process; `limit` None is no limit.

    Requests that are under way when the limit is reached still end, so that it may be passed by their price.
    """

    def __init__(self, prices: Mapping[str, Price], limit: float | None = None) -> None:
        self._prices = prices
        self._limit = limit
        self.spent = 0.0

    def check(self, model: str) -> None:
        """Raise ProviderError where nothing more may be spent, or where nobody could know how much it is."""
        if self._limit is None:
            return
        if model not in self._prices:
            raise ProviderError(
                f"the budget cannot be kept: no price is known for the model {model}",
                hint="set TICKETCTL_AI_PRICES, like model=0.25/2",
            )
        if self.spent >= self._limit:
            raise ProviderError(
                f"the budget of {self._limit:g} is spent",
                hint="raise the budget, or continue later with retry",
            )

    def add(self, model: str, input_tokens: int, output_tokens: int) -> None:
        """Count one answer; one whose model has no price counts nothing."""
        price = self._prices.get(model)
        if price is not None:
            self.spent += price.of(input_tokens, output_tokens)
