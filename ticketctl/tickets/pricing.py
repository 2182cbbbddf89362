"""What answers cost, by the prices that the settings name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

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


def parse_prices(settings: Settings) -> Prices:
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
