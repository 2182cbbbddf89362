"""Classify labelled texts with a provider, for `ticketctl eval`."""

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
    """The predictions, in the order of the texts, with their token counts; `milliseconds` has one entry for each.

    `degraded` counts the texts that the offline engine classified in place of the provider. `stopped` is the error
    that ended the run early, None if every text was classified. `model` is what the last response says.
    """

    predictions: list[Prediction]
    milliseconds: list[float]
    input_tokens: int
    output_tokens: int
    degraded: int
    stopped: ProviderError | None
    model: str = ""


async def classify_dataset(
    provider: Provider,
    texts: Sequence[LabeledText],
    *,
    max_concurrency: int = 4,
    on_progress: Callable[[], None] = lambda: None,
) -> EvaluationRun:
    """Classify every text, `max_concurrency` at a time, and call `on_progress` after each.

    After a failure no further request starts; requests that are running still complete.

    Raises:
        ProviderError: The provider failed before it classified any text.
    """
    slots = asyncio.Semaphore(max_concurrency)
    failures: list[ProviderError] = []

    async def classify(labeled: LabeledText) -> "_TimedResponse | None":
        async with slots:
            if failures:
                return None
            started = time.perf_counter()
            try:
                response = await provider.classify(ticket_from_text(labeled.text))
            except ProviderError as error:
                failures.append(error)
                return None
            milliseconds = (time.perf_counter() - started) * 1000
        on_progress()
        return _TimedResponse(labeled, response, milliseconds)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(classify(text)) for text in texts]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None  # the others failed the same way, or were cancelled
    timed = [one for task in tasks if (one := task.result()) is not None]
    if failures and not timed:
        raise failures[0]
    return EvaluationRun(
        predictions=[one.prediction for one in timed],
        milliseconds=[one.milliseconds for one in timed],
        input_tokens=sum(one.response.input_tokens for one in timed),
        output_tokens=sum(one.response.output_tokens for one in timed),
        degraded=sum(one.response.output.degraded for one in timed),
        stopped=failures[0] if failures else None,
        model=timed[-1].response.model if timed else "",
    )


class _TimedResponse(NamedTuple):
    """One text, the provider's response and the time it took."""

    labeled: LabeledText
    response: ProviderResponse[Classification]
    milliseconds: float

    @property
    def prediction(self) -> Prediction:
        classification = self.response.output
        return Prediction(
            text=self.labeled.text,
            expected=self.labeled.label,
            predicted=classification.category,
            confidence=classification.confidence,
        )


def ticket_from_text(text: str) -> Ticket:
    """Return a ticket with this text that is in no database."""
    now = datetime.now(UTC)
    is_short = len(text) <= SUBJECT_LIMIT
    return Ticket(
        id=0,
        subject=text if is_short else text[:SUBJECT_LIMIT],
        body="" if is_short else text[SUBJECT_LIMIT:],
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
