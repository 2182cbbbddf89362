"""What a stack will consist of, and roughly what it costs: its resources, and a bill at given assumptions."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace

from ticketctl.deployment.target import Architecture
from ticketctl.errors import InvalidInputError
from ticketctl.settings import Settings
from ticketctl.tickets.pricing import compute_cost, parse_prices, sum_costs

PRICES_AS_OF = "2025-06"
"""The month of the default prices: AWS's list prices of us-east-1 in US dollars, without its free tier."""
_MINUTES_PER_MONTH = 43_800
_POLLS_PER_MONTH = 5 * 3 * _MINUTES_PER_MONTH
"""An event source mapping asks an empty queue with five pollers, each for 20 s:
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html."""
_SQS_CALLS = 3
"""Requests that carry a message: send, receive, delete."""
_METRICS = 5
"""Metrics of the worker (processing/emf.py)."""
_MILLION, _GIGABYTE_IN_KB, _GIGABYTE_IN_MB = 1_000_000, 1_000_000, 1024
_RESOURCE = re.compile(r"^  (\w+):\n    Type: (\S+)\n((?:    .*\n|\n)*)", re.MULTILINE)
_CONDITION = re.compile(r"^    Condition: (\w+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class StackResource:
    """A resource of the template. With a condition it is made only if the parameters ask for it."""

    name: str
    type: str
    condition: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """What the bill assumes: the load, and prices in US dollars."""

    memory_mb: float = 1024
    worker_ms_per_ticket: float = 500
    tickets_per_invocation: float = 1
    api_ms_per_request: float = 50
    api_requests_per_ticket: float = 3
    outbox_ms: float = 200
    log_kb_per_ticket: float = 3
    input_tokens_per_ticket: float = 2500
    output_tokens_per_ticket: float = 500
    price_lambda_gb_second: float = 0.0000133334
    price_lambda_million_requests: float = 0.20
    price_sqs_million_requests: float = 0.40
    price_api_million_requests: float = 1.00
    price_log_gb: float = 0.50
    price_alarm_month: float = 0.10
    price_dashboard_month: float = 3.00
    price_metric_month: float = 0.30


_X86_GB_SECOND = 0.0000166667
NAMES = tuple(one.name for one in fields(Assumptions))


@dataclass(frozen=True, slots=True, kw_only=True)
class CostItem:
    """One line of the bill. `usd` is None if the price is unknown."""

    item: str
    quantity: float
    unit: str
    usd: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StackPlan:
    """The resources, the cost of a number of tickets, and the cost of each month without a ticket."""

    resources: Sequence[StackResource]
    tickets: int
    per_tickets: Sequence[CostItem]
    per_month: Sequence[CostItem]
    assumptions: Assumptions
    prices_as_of: str = PRICES_AS_OF


def read_assumptions(entries: Sequence[str], architecture: Architecture) -> Assumptions:
    """Return the defaults with the entries, each `NAME=NUMBER`, in their place.

    Raises:
        InvalidInputError: A name is unknown, or a value is no number of zero or more.
    """
    changed: dict[str, float] = {}
    if architecture is Architecture.X86_64:
        changed["price_lambda_gb_second"] = _X86_GB_SECOND
    for entry in entries:
        name, _, value = entry.partition("=")
        if name not in NAMES:
            raise InvalidInputError(f"there is no assumption {name}", hint=f"one of: {', '.join(NAMES)}")
        changed[name] = _parse_number(name, value)
    assumptions = replace(Assumptions(), **changed)
    if not assumptions.tickets_per_invocation:
        raise InvalidInputError("tickets_per_invocation is 0", hint="an invocation has at least one ticket")
    return assumptions


def _parse_number(name: str, value: str) -> float:
    if not re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,12})?", value):
        raise InvalidInputError(
            f"{name} is no number: {value}",
            hint=f"example: --assume {name}={getattr(Assumptions(), name):.10g}",
        )
    return float(value)


def make_plan(template: str, settings: Settings, assumptions: Assumptions, tickets: int) -> StackPlan:
    """Return the plan of a rendered template."""
    resources = tuple(_read_resources(template))
    return StackPlan(
        resources=resources,
        tickets=tickets,
        per_tickets=tuple(_cost_of_tickets(settings, assumptions, tickets)),
        per_month=tuple(_cost_of_month(resources, assumptions)),
        assumptions=assumptions,
    )


def sum_usd(items: Sequence[CostItem]) -> float | None:
    """Return the sum; None if a price is unknown."""
    return sum_costs(one.usd for one in items)


def _read_resources(template: str) -> Iterator[StackResource]:
    """Yield the resources. The template is our own text, so that no YAML library is needed to read it."""
    body = template.partition("\nResources:\n")[2].partition("\nOutputs:\n")[0]
    for name, kind, rest in _RESOURCE.findall(body):
        condition = _CONDITION.search(rest)
        yield StackResource(name=name, type=kind, condition=condition and condition[1])


def _cost_of_tickets(settings: Settings, given: Assumptions, tickets: int) -> Iterator[CostItem]:
    invocations = tickets / given.tickets_per_invocation
    requests = tickets * given.api_requests_per_ticket
    milliseconds = tickets * given.worker_ms_per_ticket + requests * given.api_ms_per_request
    yield _compute_time(given, milliseconds)
    yield _price_millions("Lambda requests", invocations + requests, given.price_lambda_million_requests)
    yield _price_millions("SQS requests", tickets * _SQS_CALLS, given.price_sqs_million_requests)
    yield _price_millions("API Gateway requests", requests, given.price_api_million_requests)
    logged = tickets * given.log_kb_per_ticket / _GIGABYTE_IN_KB
    yield CostItem(item="logs", quantity=logged, unit="GB", usd=logged * given.price_log_gb)
    if settings.ai_provider != "offline":
        yield _price_tokens(settings, given, tickets)


def _cost_of_month(resources: Sequence[StackResource], given: Assumptions) -> Iterator[CostItem]:
    yield _compute_time(given, _MINUTES_PER_MONTH * given.outbox_ms)
    yield _price_millions("Lambda requests", _MINUTES_PER_MONTH, given.price_lambda_million_requests)
    yield _price_millions("SQS requests", _POLLS_PER_MONTH, given.price_sqs_million_requests)
    kinds = [one.type for one in resources if one.condition is None]
    for item, count, price in (
        ("alarms", kinds.count("AWS::CloudWatch::Alarm"), given.price_alarm_month),
        ("dashboards", kinds.count("AWS::CloudWatch::Dashboard"), given.price_dashboard_month),
        ("metrics", _METRICS, given.price_metric_month),
    ):
        yield CostItem(item=item, quantity=count, unit=item.removesuffix("s"), usd=count * price)


def _compute_time(given: Assumptions, milliseconds: float) -> CostItem:
    used = milliseconds / 1000 * given.memory_mb / _GIGABYTE_IN_MB
    return CostItem(item="Lambda time", quantity=used, unit="GB-s", usd=used * given.price_lambda_gb_second)


def _price_millions(item: str, count: float, price: float) -> CostItem:
    return CostItem(item=item, quantity=count, unit="request", usd=count * price / _MILLION)


def _price_tokens(settings: Settings, given: Assumptions, tickets: int) -> CostItem:
    """Return the cost of the AI provider, at the prices of the settings, with the model of all steps."""
    read, written = given.input_tokens_per_ticket * tickets, given.output_tokens_per_ticket * tickets
    cost = compute_cost(parse_prices(settings), settings.ai_model or "", round(read), round(written))
    return CostItem(item="AI provider", quantity=read + written, unit="token", usd=cost)
