"""What the worker does to a batch: claim its tickets, run each through the pipeline, give back what failed.

A record that fails is its own failure: logged, written on its ticket, and returned to the queue.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from ticketctl.processing.deadline import DEADLINE
from ticketctl.processing.pipeline import LeaseLostError, Pipeline
from ticketctl.tickets.messages import Message, TicketMessage
from ticketctl.tickets.protocols import Claim, RecordFailure
from ticketctl.tickets.statuses import TicketStatus

log = logging.getLogger(__name__)

_DEAD_LOOP_SIGNS = (
    "attached to a different loop",
    "another operation is in progress",
    "Event loop is closed",
    "the handler is closed",
)
_DEAD_LOOP = (
    "the connection belongs to an event loop that is gone, because a pool outlived its loop; "
    "cure: TICKETCTL_POOL=null, or one loop that lives on with TICKETCTL_LOOP=runner"
)


class RecordError(Exception):
    """A record that cannot be done now, though nothing broke: malformed, unknown, too late."""


class LeasedElsewhereError(RecordError):
    """Somebody else is at work on the ticket; its message must come again when that lease has ended."""


@dataclass(frozen=True, slots=True)
class RecordResult:
    """What became of one record; `error` is None where its message is done with."""

    message: Message
    error: BaseException | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What bounds a batch: `deadline` on the monotonic clock, a lease's length, deliveries before giving up.

    `reserve` are the seconds after the deadline in which failures may still be written on their tickets.
    """

    deadline: float
    lease: timedelta
    max_receive_count: int
    reserve: float = 2.0

    @property
    def remaining(self) -> float:
        """Seconds until the deadline, 0 after it."""
        return max(0.0, self.deadline - time.monotonic())


async def process(
    messages: Sequence[Message],
    pipeline: Pipeline,
    limits: Limits,
    *,
    environment_id: str,
    failed_groups: Collection[str] = (),
) -> list[RecordResult]:
    """Process a batch: each ticket once, the tickets concurrently, those of one FIFO group in order.

    Nothing is raised. `failed_groups` are FIFO groups that failed earlier in the same invocation.
    """
    DEADLINE.set(limits.deadline)
    batch = _Batch(pipeline, limits, environment_id, failed_groups)
    # a local provider answers at once: then no connection is held for long
    async with pipeline.store.share_connection() if pipeline.provider.local else nullcontext():
        results = await batch.run(messages)
    _report(results)
    await batch.release(results)
    return results


def fail_all(messages: Sequence[Message], error: BaseException) -> list[RecordResult]:
    """Say, and log, that none of these could be tried, for this reason; a malformed one has its own."""
    results = _failed(messages, error)
    _report(results)
    return results


class _Batch:
    """One batch under one lease token."""

    def __init__(
        self, pipeline: Pipeline, limits: Limits, environment_id: str, failed_groups: Collection[str]
    ) -> None:
        self._pipeline = pipeline
        self._limits = limits
        self._environment_id = environment_id
        self._failed_groups = failed_groups
        self._token = uuid4()
        self._claims: Mapping[int, Claim] = {}
        self._runs: dict[int, asyncio.Task[TicketStatus]] = {}

    async def run(self, messages: Sequence[Message]) -> list[RecordResult]:
        """Run every message to its end."""
        try:
            self._claims = await self._claim(messages)
        except Exception as error:  # noqa: BLE001 - whatever it was, each record that waited must say so
            return _failed(messages, error)
        last: dict[str, asyncio.Task[None]] = {}
        tasks = []
        for message in messages:
            before = None if message.group is None else last.get(message.group)
            task = asyncio.create_task(self._one(message, before))
            tasks.append(task)
            if message.group is not None:
                last[message.group] = task
        errors = await asyncio.gather(*tasks, return_exceptions=True)
        return [RecordResult(message, error) for message, error in zip(messages, errors, strict=True)]

    async def release(self, results: Sequence[RecordResult]) -> None:
        """Write each failure on its ticket and free it; where even that fails, say so in the log."""
        failures = [
            RecordFailure(
                message=result.message,
                error=describe(result.error),
                final=result.message.receive_count >= self._limits.max_receive_count,
            )
            for result in results
            if isinstance(result.message, TicketMessage)
            and result.error is not None
            and not isinstance(result.error, LeasedElsewhereError | LeaseLostError)
        ]
        if not failures:
            return
        try:
            async with asyncio.timeout(self._limits.remaining + self._limits.reserve):
                await self._pipeline.store.release(
                    failures, token=self._token, environment_id=self._environment_id
                )
        except Exception:
            log.exception("what failed could not be written on the tickets")

    async def _claim(self, messages: Sequence[Message]) -> Mapping[int, Claim]:
        wanted = [
            message
            for message in messages
            if isinstance(message, TicketMessage) and message.group not in self._failed_groups
        ]
        if not wanted:
            return {}
        async with _in_time(self._limits):
            return await self._pipeline.store.claim(
                wanted, token=self._token, lease=self._limits.lease, environment_id=self._environment_id
            )

    async def _one(self, message: Message, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait([before])
        if message.group in self._failed_groups or (before is not None and before.exception() is not None):
            raise RecordError(f"an earlier message of the group {message.group} failed")
        refusal = _refusal(message)
        if refusal is not None:
            raise refusal
        if isinstance(message, TicketMessage):
            await self._ticket(message)

    async def _ticket(self, message: TicketMessage) -> None:
        """Run the message's ticket; a second message of the same ticket shares its one run."""
        claim = self._claims[message.ticket_id]
        if claim.ticket is None:
            _refuse(claim)
            return
        started = time.perf_counter()
        async with _in_time(self._limits):
            if message.ticket_id not in self._runs:
                run = self._pipeline.run(claim.ticket, claim, self._token)
                self._runs[message.ticket_id] = asyncio.create_task(run)
            status = await self._runs[message.ticket_id]
        log.info(
            "ticket done",
            extra={
                "message_id": message.message_id,
                "ticket_id": message.ticket_id,
                "status": status.value,
                "duration_ms": round((time.perf_counter() - started) * 1000, 3),
            },
        )


def _failed(messages: Sequence[Message], error: BaseException) -> list[RecordResult]:
    return [RecordResult(message, _refusal(message) or error) for message in messages]


def _refusal(message: Message) -> RecordError | None:
    return None if isinstance(message, TicketMessage) else RecordError(message.reason)


def _refuse(claim: Claim) -> None:
    """Say why a ticket was not free; nothing, where it is settled already."""
    if claim.status is None:
        raise RecordError(f"there is no ticket {claim.ticket_id}")
    if claim.status in {TicketStatus.NEW, TicketStatus.PROCESSING}:
        until = (
            "" if claim.lease_until is None else f" until {claim.lease_until.isoformat(timespec='seconds')}"
        )
        raise LeasedElsewhereError(f"another worker has ticket {claim.ticket_id}{until}")


@asynccontextmanager
async def _in_time(limits: Limits) -> AsyncIterator[None]:
    if limits.remaining == 0:
        raise RecordError("too little time was left to start")
    try:
        async with asyncio.timeout(limits.remaining):
            yield
    except TimeoutError as error:
        if error.args:
            raise
        raise RecordError("the invocation's time ran out") from error


def _report(results: Sequence[RecordResult]) -> None:
    """Log each failure with its exception; of records that failed by one and the same, the first is named."""
    first: dict[int, str | None] = {}
    for result in results:
        if result.error is None:
            continue
        message = result.message
        extra = {"message_id": message.message_id}
        if isinstance(message, TicketMessage):
            extra["ticket_id"] = str(message.ticket_id)
        if id(result.error) in first:
            extra["same_error_as"] = first[id(result.error)]
        first.setdefault(id(result.error), message.message_id)
        log.error("record failed: %s", describe(result.error), exc_info=result.error, extra=extra)


def describe(error: BaseException) -> str:
    """What an error means, for the ticket it is written on: the cause and cure first where they are known."""
    said = str(
        getattr(error, "orig", None) or error
    )  # of SQLAlchemy's errors the driver's: no SQL, no parameters
    told = said.encode("utf-8", "backslashreplace").decode()  # half a surrogate pair cannot be written
    if isinstance(error, RecordError | LeaseLostError):
        return told
    text = f"{type(error).__name__}: {told}" if told else type(error).__name__
    return f"{_DEAD_LOOP} ({text})" if any(sign in text for sign in _DEAD_LOOP_SIGNS) else text
