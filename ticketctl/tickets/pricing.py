"""Compute what responses of AI providers cost, from the prices in the settings."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ticketctl.settings import Settings

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """The price of a model per million input tokens and per million output tokens, in one currency of your choice."""

    input: float
    output: float

    def of(self, input_tokens: int, output_tokens: int) -> float:
        """Return the price of one response."""
        return (self.input * input_tokens + self.output * output_tokens) / _MILLION


FREE = Price(0.0, 0.0)

INSTEAD_OF = " for "
"""Separates the model whose output was used from the model that was paid: "offline-1 for gpt-5"."""

Prices = Mapping[str, Price]
"""The price of each model by its name."""


def parse_prices(settings: Settings) -> Prices:
    """Return the prices in the setting `ai_prices`."""
    entries = (entry.rpartition("=") for entry in settings.ai_prices.split(",") if entry.strip())
    return {model.strip(): Price(*map(float, price.split("/"))) for model, _, price in entries}


def compute_cost(prices: Prices, model: str, input_tokens: int, output_tokens: int) -> float | None:
    """Return what responses of a model cost, in the currency of the prices; None if it is unknown.

    The offline engine is free. The cost is unknown without a price, or if the server reported no token counts.
    """
    model = model.rpartition(INSTEAD_OF)[2]
    if model == "rules" or model.startswith("offline-"):
        return 0.0
    price = prices.get(model)
    if price is None or (price != FREE and not input_tokens + output_tokens):
        return None
    return price.of(input_tokens, output_tokens)


def sum_costs(costs: Iterable[float | None]) -> float | None:
    """Return the sum of the costs; None if one of them is unknown."""
    amounts = list(costs)
    return None if None in amounts else sum(filter(None, amounts))
