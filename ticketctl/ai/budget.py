"""How much may be spent on answers."""

from collections.abc import Iterable

from ticketctl.errors import ProviderError
from ticketctl.tickets.pricing import Prices, cost, total


class Budget:
    """Counts what is spent, in the currency of the prices, over all loops of a process; `limit` None is no limit.

    Requests that are under way when the limit is reached still end, so that it may be passed by their price.
    """

    def __init__(self, prices: Prices, limit: float | None = None) -> None:
        self._prices = prices
        self._limit = limit
        self.spent: float | None = 0.0
        """None once an answer came whose price nobody can know."""

    @property
    def is_spent(self) -> bool:
        """Whether the limit is reached."""
        return self._limit is not None and self.spent is not None and self.spent >= self._limit

    def require(self, models: Iterable[str]) -> None:
        """Raise ProviderError where there is a limit, and a model whose price is not known."""
        for model in models:
            if self._limit is not None and model not in self._prices:
                raise ProviderError(
                    f"the budget cannot be kept: no price is known for the model {model}",
                    hint="set TICKETCTL_AI_PRICES, like model=0.25/2",
                )

    def check(self, model: str) -> None:
        """Raise ProviderError where nothing more may be spent, or where nobody could know how much it is."""
        self.require([model])
        if self._limit is not None and self.spent is None:
            raise uncounted()
        if self.is_spent:
            raise ProviderError(
                f"the budget of {self._limit:g} is spent",
                hint="raise the budget, or continue later with retry",
            )

    def add(self, model: str, input_tokens: int, output_tokens: int) -> None:
        """Count one answer."""
        self.spent = total([self.spent, cost(self._prices, model, input_tokens, output_tokens)])


def uncounted() -> ProviderError:
    """A server that does not say what it read and wrote."""
    return ProviderError(
        "the budget cannot be kept: the AI provider does not tell how many tokens its answers cost",
        hint="go on without a budget, or with a server that tells its usage",
    )
