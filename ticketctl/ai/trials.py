"""Asks a provider about labelled texts, as `eval` does."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ticketctl.ai.evaluation import Prediction
from ticketctl.ai.samples import Sample
from ticketctl.domain import SUBJECT_LIMIT, Ticket, TicketStatus
from ticketctl.ports import Provider


@dataclass(frozen=True, slots=True, kw_only=True)
class Trials:
    """What was said, in the order of the samples, and what it cost. `milliseconds` has one entry for each."""

    predictions: list[Prediction]
    milliseconds: list[float]
    input_tokens: int
    output_tokens: int


async def tried(
    provider: Provider,
    samples: Sequence[Sample],
    *,
    at_once: int = 4,
    done: Callable[[], None] = lambda: None,
) -> Trials:
    """Classify every sample, `at_once` at a time; `done` is called after each. Raises ProviderError."""
    free = asyncio.Semaphore(at_once)

    async def one(sample: Sample) -> tuple[Prediction, float, int, int]:
        async with free:
            started = time.perf_counter()
            answer = await provider.classify(ticket_of(sample.text))
            took = (time.perf_counter() - started) * 1000
        done()
        said = answer.output
        prediction = Prediction(
            text=sample.text, expected=sample.label, predicted=said.category, confidence=said.confidence
        )
        return prediction, took, answer.input_tokens, answer.output_tokens

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(sample)) for sample in samples]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None  # the others failed alike, or were cancelled because of it
    results = [task.result() for task in tasks]
    return Trials(
        predictions=[prediction for prediction, *_ in results],
        milliseconds=[took for _, took, *_ in results],
        input_tokens=sum(read for _, _, read, _ in results),
        output_tokens=sum(written for *_, written in results),
    )


def ticket_of(text: str) -> Ticket:
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
