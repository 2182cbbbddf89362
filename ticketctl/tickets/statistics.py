"""Figures over all tickets: numbers by status, steps with their costs, and the workload by week."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from ticketctl.tickets.models import Step
from ticketctl.tickets.statuses import TicketStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelUse:
    """The token counts of one model over the saved outputs of one step."""

    model: str
    runs: int
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStatistics:
    """Statistics of one step over all saved outputs, in total and by model. Durations are in milliseconds."""

    step: Step
    provider: str
    runs: int
    mean_ms: float
    p95_ms: float
    input_tokens: int
    output_tokens: int
    models: Sequence[ModelUse]


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketCounts:
    """The number of tickets by status, and the creation time of the oldest new ticket."""

    tickets: Mapping[TicketStatus, int]
    oldest_new: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics(TicketCounts):
    """The counts of tickets, and statistics of the steps."""

    steps: Sequence[StepStatistics]


@dataclass(frozen=True, slots=True, kw_only=True)
class Week:
    """Tickets created in one week. `start` is a Monday in UTC.

    `automated` of the `processed` tickets needed no review. `median_seconds` and `p95_seconds` are the time from the
    ticket's creation to the end of its processing; None if no ticket was processed.
    """

    start: date
    created: int
    processed: int
    automated: int
    median_seconds: float | None
    p95_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Tickets by category and by team, the most frequent first, and the latest weeks, the oldest first.

    The category or team is None for tickets without one. A week without tickets has zeros.
    """

    categories: Mapping[str | None, int]
    teams: Mapping[str | None, int]
    weeks: Sequence[Week]
