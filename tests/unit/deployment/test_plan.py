"""The plan of a stack: its resources are the template's, and its bill is computed from the assumptions."""

import pytest
from samtranslator.yaml_helper import yaml_parse

from ticketctl.deployment.plan import NAMES, make_plan, read_assumptions, sum_usd
from ticketctl.deployment.target import Architecture, Target
from ticketctl.deployment.template import TEMPLATE, render_stack
from ticketctl.errors import InvalidInputError
from ticketctl.settings import Settings


def plan(*assume, tickets=1000, **chosen):
    settings = Settings(**chosen)
    text = render_stack(settings, Target("3.13", Architecture.ARM64))[TEMPLATE]
    return make_plan(text, settings, read_assumptions(assume, Architecture.ARM64), tickets)


def costs(items):
    return {one.item: (one.quantity, one.usd) for one in items}


def test_it_lists_every_resource_of_the_template_with_its_condition():
    text = render_stack(Settings(), Target("3.13", Architecture.ARM64))[TEMPLATE]
    expected = [
        (name, one["Type"], one.get("Condition")) for name, one in yaml_parse(text)["Resources"].items()
    ]
    assert [(one.name, one.type, one.condition) for one in plan().resources] == expected


def test_the_cost_of_tickets_follows_from_the_assumptions():
    nothing = [f"{name}=0" for name in NAMES if name not in {"memory_mb", "tickets_per_invocation"}]
    assert sum_usd(plan(*nothing).per_tickets) == sum_usd(plan(*nothing).per_month) == 0
    made = costs(
        plan(
            *nothing,
            *("memory_mb=2048", "worker_ms_per_ticket=100", "tickets_per_invocation=4"),
            *(
                "price_lambda_gb_second=0.01",
                "price_lambda_million_requests=2",
                "price_sqs_million_requests=1",
            ),
        ).per_tickets
    )
    assert made["Lambda time"] == (200, pytest.approx(2.0))
    assert made["Lambda requests"] == (250, pytest.approx(0.0005))
    assert made["SQS requests"] == (3000, pytest.approx(0.003))


def test_twice_the_tickets_cost_twice_and_the_month_stays():
    once, twice = plan(), plan(tickets=2000)
    assert sum_usd(twice.per_tickets) == pytest.approx(2 * sum_usd(once.per_tickets))
    assert twice.per_month == once.per_month
    assert sum_usd(once.per_month) > 0


def test_the_ai_provider_costs_what_the_settings_say():
    chosen = {"ai_provider": "openai", "ai_model": "m"}
    tokens = ("input_tokens_per_ticket=1000", "output_tokens_per_ticket=100")
    priced = plan(*tokens, ai_prices="m=2/10", **chosen)
    assert costs(priced.per_tickets)["AI provider"] == (1_100_000, pytest.approx(3.0))
    unknown = plan(*tokens, **chosen)
    assert sum_usd(unknown.per_tickets) is None
    assert "AI provider" not in costs(plan().per_tickets)


def test_x86_has_its_own_price_unless_one_is_given():
    arm, x86 = (
        read_assumptions((), one).price_lambda_gb_second for one in (Architecture.ARM64, Architecture.X86_64)
    )
    assert x86 > arm
    given = read_assumptions(["price_lambda_gb_second=1"], Architecture.X86_64)
    assert given.price_lambda_gb_second == 1


@pytest.mark.parametrize(
    "entry",
    [
        "",
        "memory",
        "memory_mb",
        "memory_mb=",
        "memory_mb=x",
        "memory_mb=-1",
        "memory_mb=nan",
        "memory_mb=1e9",
    ],
)
def test_a_wrong_assumption_is_told(entry):
    with pytest.raises(InvalidInputError) as refused:
        read_assumptions([entry], Architecture.ARM64)
    assert refused.value.hint


def test_an_invocation_has_a_ticket():
    with pytest.raises(InvalidInputError, match="tickets_per_invocation"):
        read_assumptions(["tickets_per_invocation=0"], Architecture.ARM64)
