"""Asks a provider about labelled texts, as `eval` does."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from ticketctl.ai.evaluation.dataset import LabeledText
from ticketctl.ai.evaluation.metrics import Prediction
from ticketctl.errors import ProviderError
from ticketctl.tickets.models import SUBJECT_LIMIT, Classification, Ticket
from ticketctl.tickets.protocols import Provider, ProviderResponse
from ticketctl.tickets.statuses import TicketStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRun:
    """What was said, in the order of the samples, and what it cost. `milliseconds` has one entry for each.

    `degraded` counts the answers of the offline engine where it stood in; `stopped` is why not all was asked.
    """

    predictions: list[Prediction]
    milliseconds: list[float]
    input_tokens: int
    output_tokens: int
    degraded: int
    stopped: ProviderError | None


async def classify_dataset(
    provider: Provider,
    samples: Sequence[LabeledText],
    *,
    max_concurrency: int = 4,
    done: Callable[[], None] = lambda: None,
) -> EvaluationRun:
    """Classify every sample, `max_concurrency` at a time; `done` is called after each.

    After a failure nothing more is asked, and what was asked already still ends.

    Raises:
        ProviderError: The provider failed before it answered anything.
    """
    free = asyncio.Semaphore(max_concurrency)
    failures: list[ProviderError] = []

    async def one(sample: LabeledText) -> "_Trial | None":
        async with free:
            if failures:
                return None
            started = time.perf_counter()
            try:
                answer = await provider.classify(ticket_from_text(sample.text))
            except ProviderError as error:
                failures.append(error)
                return None
            took = (time.perf_counter() - started) * 1000
        done()
        return _Trial(sample, answer, took)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(sample)) for sample in samples]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None  # the others failed alike, or were cancelled because of it
    trials = [trial for task in tasks if (trial := task.result()) is not None]
    if failures and not trials:
        raise failures[0]
    return EvaluationRun(
        predictions=[trial.prediction for trial in trials],
        milliseconds=[trial.milliseconds for trial in trials],
        input_tokens=sum(trial.answer.input_tokens for trial in trials),
        output_tokens=sum(trial.answer.output_tokens for trial in trials),
        degraded=sum(trial.answer.output.degraded for trial in trials),
        stopped=failures[0] if failures else None,
    )


class _Trial(NamedTuple):
    """One sample, and what the provider said of it."""

    sample: LabeledText
    answer: ProviderResponse[Classification]
    milliseconds: float

    @property
    def prediction(self) -> Prediction:
        said = self.answer.output
        return Prediction(
            text=self.sample.text,
            expected=self.sample.label,
            predicted=said.category,
            confidence=said.confidence,
        )


def ticket_from_text(text: str) -> Ticket:
    """A ticket that says just this, and stands in no database."""
    now = datetime.now(UTC)
    short = len(text) <= SUBJECT_LIMIT
    return Ticket(
        id=0,
        subject=text if short else text[:SUBJECT_LIMIT],
        body="" if short else text[SUBJECT_LIMIT:],
        requester=None,
        status=TicketStatus.NEW,
        category=None,
        priority=None,
        sentiment=None,
        language=None,
        team=None,
        confidence=None,
        extracted=None,
        draft=None,
        set_by_human=[],
        error=None,
        attempt=0,
        lease_token=None,
        lease_until=None,
        idempotency_key=None,
        created_at=now,
        updated_at=now,
        processed_at=None,
    )
