import pytest

from ticketctl.ai.budget import Budget
from ticketctl.errors import ProviderError
from ticketctl.tickets.pricing import FREE, Price, compute_cost, sum_costs

PRICES = {"small": Price(input=1.0, output=10.0), "ours": FREE}


@pytest.mark.parametrize(
    ("model", "tokens", "amount"),
    [
        ("small", (1_000_000, 0), 1.0),
        ("small", (500_000, 100_000), 1.5),
        ("ours", (0, 0), 0.0),
        ("offline-1", (0, 0), 0.0),
        ("rules", (0, 0), 0.0),
        ("offline-1 for small", (1_000_000, 0), 1.0),
        ("small", (0, 0), None),
        ("large", (10, 10), None),
    ],
)
def test_cost_of_a_response(model, tokens, amount):
    assert compute_cost(PRICES, model, *tokens) == amount


def test_total_is_unknown_if_one_cost_is():
    assert sum_costs([]) == 0
    assert sum_costs([0.5, 0.0, 0.25]) == 0.75
    assert sum_costs([0.5, None]) is None


def test_budget_is_exhausted_at_its_limit():
    budget = Budget(PRICES, limit=2.0)
    budget.check("small")
    budget.add("small", 1_000_000, 0)
    assert (budget.spent, budget.is_exhausted) == (1.0, False)
    budget.check("small")
    budget.add("small", 0, 100_000)
    assert budget.is_exhausted
    with pytest.raises(ProviderError, match="the budget of 2 is spent"):
        budget.check("small")


def test_without_a_limit_an_unknown_cost_makes_the_total_unknown():
    budget = Budget(PRICES)
    budget.add("large", 10, 10)
    budget.check("large")
    assert (budget.spent, budget.is_exhausted) == (None, False)


def test_limit_cannot_be_enforced_without_token_usage():
    budget = Budget(PRICES, limit=2.0)
    budget.add("small", 0, 0)
    with pytest.raises(ProviderError, match="does not report its token usage"):
        budget.check("small")
