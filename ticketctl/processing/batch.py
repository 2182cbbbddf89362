"""Process a batch: claim its tickets, run each through the pipeline, release those that failed.

A record that fails does not affect the others: its error is logged, written on its ticket, and the message returns to
the queue.
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

_CLOSED_LOOP_ERRORS = (
    "attached to a different loop",
    "another operation is in progress",
    "Event loop is closed",
    "the handler is closed",
)
_CLOSED_LOOP_CAUSE = (
    "the connection belongs to a closed event loop, because its pool outlives the loop; "
    "fix: set TICKETCTL_POOL=null, or TICKETCTL_LOOP=runner for one loop that stays open"
)


class RecordError(Exception):
    """The record cannot be processed, although nothing broke: it is malformed, its ticket unknown, or the time is up."""


class LeasedElsewhereError(RecordError):
    """Another worker holds the lease on the ticket; the message must be delivered again after the lease ends."""


@dataclass(frozen=True, slots=True)
class RecordResult:
    """The result of one record. `error` is None if the message can be deleted."""

    message: Message
    error: BaseException | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of a batch.

    `deadline` is a time on the monotonic clock. `reserve` is the number of seconds after it in which errors may still be
    written on tickets.
    """

    deadline: float
    lease: timedelta
    max_receive_count: int
    reserve: float = 2.0

    @property
    def remaining(self) -> float:
        """Return the seconds until the deadline, 0 after it."""
        return max(0.0, self.deadline - time.monotonic())


async def process(
    messages: Sequence[Message],
    pipeline: Pipeline,
    limits: Limits,
    *,
    environment_id: str,
    failed_groups: Collection[str] = (),
) -> list[RecordResult]:
    """Process a batch and return a result per message, in their order. Never raises.

    Tickets run concurrently and once each; messages of one FIFO group run in order. `failed_groups` are FIFO groups
    in which a message failed earlier in the same invocation.
    """
    DEADLINE.set(limits.deadline)
    batch = _Batch(pipeline, limits, environment_id, failed_groups)
    # With a local provider the calls follow each other without a wait, so one connection can serve the whole batch.
    # With a remote provider it would be held idle while the provider works.
    async with pipeline.store.share_connection() if pipeline.provider.local else nullcontext():
        results = await batch.run(messages)
    _log_errors(results)
    await batch.release_failed(results)
    return results


def fail_all(messages: Sequence[Message], error: BaseException) -> list[RecordResult]:
    """Log and return an error for every message, because the batch could not start. A malformed message keeps its own."""
    results = _fail_each(messages, error)
    _log_errors(results)
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
        """Process every message and return the results."""
        try:
            self._claims = await self._claim(messages)
        except Exception as error:  # noqa: BLE001 - the error is the result of each record
            return _fail_each(messages, error)
        last_in_group: dict[str, asyncio.Task[None]] = {}
        tasks = []
        for message in messages:
            previous = None if message.group is None else last_in_group.get(message.group)
            task = asyncio.create_task(self._process_message(message, previous))
            tasks.append(task)
            if message.group is not None:
                last_in_group[message.group] = task
        errors = await asyncio.gather(*tasks, return_exceptions=True)
        return [RecordResult(message, error) for message, error in zip(messages, errors, strict=True)]

    async def release_failed(self, results: Sequence[RecordResult]) -> None:
        """Write each error on its ticket and end the lease. Log an error if the store fails."""
        failures = [
            RecordFailure(
                message=result.message,
                error=describe_error(result.error),
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
            log.exception("the errors could not be written on the tickets")

    async def _claim(self, messages: Sequence[Message]) -> Mapping[int, Claim]:
        wanted = [
            message
            for message in messages
            if isinstance(message, TicketMessage) and message.group not in self._failed_groups
        ]
        if not wanted:
            return {}
        async with _until_deadline(self._limits):
            return await self._pipeline.store.claim(
                wanted, token=self._token, lease=self._limits.lease, environment_id=self._environment_id
            )

    async def _process_message(self, message: Message, previous: asyncio.Task[None] | None) -> None:
        """Process one message after the previous one of its FIFO group; raise if that failed."""
        if previous is not None:
            await asyncio.wait([previous])
        if message.group in self._failed_groups or (
            previous is not None and previous.exception() is not None
        ):
            raise RecordError(f"an earlier message of the group {message.group} failed")
        if not isinstance(message, TicketMessage):
            raise RecordError(message.reason)
        await self._process_ticket(message)

    async def _process_ticket(self, message: TicketMessage) -> None:
        """Run the message's ticket through the pipeline. A second message of the same ticket shares the run."""
        claim = self._claims[message.ticket_id]
        if claim.ticket is None:
            _raise_unless_settled(claim)
            return
        started = time.perf_counter()
        async with _until_deadline(self._limits):
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


def _fail_each(messages: Sequence[Message], error: BaseException) -> list[RecordResult]:
    return [
        RecordResult(message, error if isinstance(message, TicketMessage) else RecordError(message.reason))
        for message in messages
    ]


def _raise_unless_settled(claim: Claim) -> None:
    """Raise the reason the ticket could not be claimed; return if it is settled."""
    if claim.status is None:
        raise RecordError(f"there is no ticket {claim.ticket_id}")
    if claim.status in {TicketStatus.NEW, TicketStatus.PROCESSING}:
        until = (
            "" if claim.lease_until is None else f" until {claim.lease_until.isoformat(timespec='seconds')}"
        )
        raise LeasedElsewhereError(f"another worker has ticket {claim.ticket_id}{until}")


@asynccontextmanager
async def _until_deadline(limits: Limits) -> AsyncIterator[None]:
    if limits.remaining == 0:
        raise RecordError("too little time was left to start")
    try:
        async with asyncio.timeout(limits.remaining):
            yield
    except TimeoutError as error:
        if error.args:
            raise
        raise RecordError("the invocation's time ran out") from error


def _log_errors(results: Sequence[RecordResult]) -> None:
    """Log each error with its exception. Records that share one exception name the first of them instead."""
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
        log.error("record failed: %s", describe_error(result.error), exc_info=result.error, extra=extra)


def describe_error(error: BaseException) -> str:
    """Return the text of an error for the ticket, with its cause and fix first if they are known."""
    # SQLAlchemy's errors contain the SQL and its parameters; the driver's own error in `orig` does not
    message = str(getattr(error, "orig", None) or error)
    # the database and the log cannot store half of a surrogate pair
    message = message.encode("utf-8", "backslashreplace").decode()
    if isinstance(error, RecordError | LeaseLostError):
        return message
    text = f"{type(error).__name__}: {message}" if message else type(error).__name__
    return f"{_CLOSED_LOOP_CAUSE} ({text})" if any(sign in text for sign in _CLOSED_LOOP_ERRORS) else text
