"""What answers cost, and how much may be spent."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ticketctl.errors import ProviderError

if TYPE_CHECKING:
    from ticketctl.settings import Settings

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs: in any one currency, for a million tokens read and a million written."""

    input: float
    output: float

    def of(self, input_tokens: int, output_tokens: int) -> float:
        """The price of one answer."""
        return (self.input * input_tokens + self.output * output_tokens) / _MILLION


FREE = Price(0.0, 0.0)

INSTEAD_OF = " for "
"""Stands in the name of a model before the one that was paid, where what that said was of no use."""

Prices = Mapping[str, Price]
"""What each model costs, by its name."""


def prices_of(settings: "Settings") -> Prices:
    """What each model costs, as the settings say."""
    entries = (entry.rpartition("=") for entry in settings.ai_prices.split(",") if entry.strip())
    return {model.strip(): Price(*map(float, price.split("/"))) for model, _, price in entries}


def cost(prices: Prices, model: str, input_tokens: int, output_tokens: int) -> float | None:
    """What answers of a model cost, in the currency of the prices; None where nobody can know.

    What this machine answers by itself is free. A server that counts no tokens leaves open what it asks for.
    """
    model = model.rpartition(INSTEAD_OF)[2]
    if model == "rules" or model.startswith("offline-"):
        return 0.0
    price = prices.get(model)
    if price is None or (price != FREE and not input_tokens + output_tokens):
        return None
    return price.of(input_tokens, output_tokens)


def total(costs: Iterable[float | None]) -> float | None:
    """The sum; None where one of them is not known."""
    known = list(costs)
    return None if None in known else sum(filter(None, known))


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
