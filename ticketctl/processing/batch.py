"""Process a batch: claim its tickets, run each through the pipeline, release those that failed.

A record that fails does not affect the others: its error is logged, written on its ticket, and the message returns to
the queue.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import uuid4

from ticketctl.processing.deadline import DEADLINE, OutOfTimeError
from ticketctl.processing.pipeline import LeaseLostError, Pipeline
from ticketctl.processing.record_errors import (
    LeasedElsewhereError,
    NotStartedError,
    RecordError,
    describe_error,
    is_closed_loop_error,
)
from ticketctl.processing.record_spans import open_record_span
from ticketctl.processing.time_limit import limit_time
from ticketctl.telemetry.metrics import TICKETS
from ticketctl.tickets.messages import Message, TicketMessage
from ticketctl.tickets.protocols import Claim, RecordFailure
from ticketctl.tickets.statuses import TicketStatus

log = logging.getLogger(__name__)

_HEARTBEATS_PER_LEASE = 3
_HEARTBEAT_GRACE_SECONDS = 1.0
"""How long the end of a batch waits for a heartbeat under way: cancelling it would break its connection."""


@dataclass(frozen=True, slots=True)
class RecordResult:
    """The result of one record. `error` is None if the message can be deleted.

    `is_lost` means that the record was not attempted and that its error could not be written on the ticket either.
    """

    message: Message
    error: BaseException | None = None
    is_lost: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of a batch.

    `deadline` is a time on the monotonic clock; errors may still be written on tickets for `reserve` seconds after it.
    `counts_every_delivery`: the queue counts a delivery even if it was no attempt, as SQS does.
    """

    deadline: float
    lease: timedelta
    max_receive_count: int
    reserve: float = 2.0
    counts_every_delivery: bool = False

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
    return await batch.release_failed(results)


def fail_all(messages: Sequence[Message], error: BaseException) -> list[RecordResult]:
    """Log and return an error for every message, because the batch could not start. A malformed message keeps its own."""
    results = [replace(result, is_lost=True) for result in _fail_each(messages, error)]
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
        self._telemetry = pipeline.telemetry
        self._is_claimed = False

    async def run(self, messages: Sequence[Message]) -> list[RecordResult]:
        """Process every message and return the results."""
        try:
            self._claims = await self._claim(messages)
        except Exception as error:  # noqa: BLE001 - the error is the result of each record
            return _fail_each(messages, error)
        self._is_claimed = True
        async with self._keep_leases():
            return await self._process_all(messages)

    async def _process_all(self, messages: Sequence[Message]) -> list[RecordResult]:
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

    async def release_failed(self, results: Sequence[RecordResult]) -> list[RecordResult]:
        """Write each error on its ticket, end the lease and return the results. Log an error if the store fails."""
        failures = {
            index: self._to_failure(result.message, result.error)
            for index, result in enumerate(results)
            if isinstance(result.message, TicketMessage)
            and result.error is not None
            and not isinstance(result.error, LeasedElsewhereError | LeaseLostError)
        }
        if not failures:
            return list(results)
        try:
            async with asyncio.timeout(self._limits.remaining + self._limits.reserve):
                await self._pipeline.store.release(
                    list(failures.values()), token=self._token, environment_id=self._environment_id
                )
        except Exception:
            log.exception("the errors could not be written on the tickets")
            lost = {index for index, failure in failures.items() if not failure.attempted}
            return [replace(result, is_lost=index in lost) for index, result in enumerate(results)]
        return list(results)

    def _to_failure(self, message: TicketMessage, error: BaseException) -> RecordFailure:
        # A claim on a connection of a closed loop may have taken effect, and its cause is a setting: it counts as an
        # attempt, so that it ends. A database that cannot be reached is no attempt.
        attempted = (
            not isinstance(error, NotStartedError) if self._is_claimed else is_closed_loop_error(error)
        )
        spent = attempted and not isinstance(error, OutOfTimeError)
        last = message.receive_count >= self._limits.max_receive_count
        final = last and (spent or self._limits.counts_every_delivery)
        return RecordFailure(
            message=message,
            error=describe_error(error),
            final=final,
            attempted=attempted or final,
            spent=spent or final,
        )

    @asynccontextmanager
    async def _keep_leases(self) -> AsyncIterator[None]:
        """Extend the leases of the batch inside the context, if it may run for longer than they last."""
        claimed = [ticket_id for ticket_id, claim in self._claims.items() if claim.ticket is not None]
        end = self._limits.deadline + self._limits.reserve
        if not claimed or time.monotonic() + self._limits.lease.total_seconds() >= end:
            yield
            return
        done = asyncio.Event()
        heartbeat = asyncio.create_task(self._extend_leases(claimed, end, done))
        try:
            yield
        finally:
            done.set()
            await asyncio.wait([heartbeat], timeout=_HEARTBEAT_GRACE_SECONDS)
            heartbeat.cancel()
            await asyncio.wait([heartbeat])

    async def _extend_leases(self, ticket_ids: Sequence[int], end: float, done: asyncio.Event) -> None:
        """Extend the leases every third of their length until the batch is done, never beyond `end`."""
        interval = self._limits.lease.total_seconds() / _HEARTBEATS_PER_LEASE
        while (left := end - time.monotonic()) > interval:
            try:
                async with asyncio.timeout(interval):
                    await done.wait()
                    return
            except TimeoutError:
                lease = min(self._limits.lease, timedelta(seconds=left - interval))
            try:
                async with asyncio.timeout(interval):
                    await self._pipeline.store.extend_leases(ticket_ids, token=self._token, lease=lease)
            except Exception as error:  # noqa: BLE001 - the next heartbeat tries again; `finish` notices a lost lease
                log.warning("the leases could not be extended: %s", describe_error(error))

    async def _claim(self, messages: Sequence[Message]) -> Mapping[int, Claim]:
        wanted = [
            message
            for message in messages
            if isinstance(message, TicketMessage) and message.group not in self._failed_groups
        ]
        if not wanted:
            return {}
        async with limit_time(self._limits.remaining):
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
            raise NotStartedError(f"an earlier message of the group {message.group} failed")
        if not isinstance(message, TicketMessage):
            raise RecordError(message.reason)
        with open_record_span(self._telemetry, message) as span:
            span.set_attributes({"ticketctl.ticket.status": await self._process_ticket(message)})

    async def _process_ticket(self, message: TicketMessage) -> str:
        """Run the message's ticket through the pipeline and return its status.

        A second message of the same ticket shares the run.
        """
        claim = self._claims[message.ticket_id]
        if claim.ticket is None:
            return _get_settled_status(claim)
        started = time.perf_counter()
        async with limit_time(self._limits.remaining):
            if message.ticket_id not in self._runs:
                run = self._pipeline.run(claim.ticket, claim, self._token)
                self._runs[message.ticket_id] = asyncio.create_task(run)
            status = await self._runs[message.ticket_id]
        self._telemetry.record(TICKETS, 1, {"ticketctl.outcome": status.value})
        log.info(
            "ticket done",
            extra={
                "message_id": message.message_id,
                "ticket_id": message.ticket_id,
                "status": status.value,
                "duration_ms": round((time.perf_counter() - started) * 1000, 3),
            },
        )
        return status.value


def _fail_each(messages: Sequence[Message], error: BaseException) -> list[RecordResult]:
    return [
        RecordResult(message, error if isinstance(message, TicketMessage) else RecordError(message.reason))
        for message in messages
    ]


def _get_settled_status(claim: Claim) -> str:
    """Return the status of a ticket that is settled; raise the reason another one could not be claimed."""
    if claim.status is None:
        raise RecordError(f"there is no ticket {claim.ticket_id}")
    if claim.status in {TicketStatus.NEW, TicketStatus.PROCESSING}:
        until = (
            "" if claim.lease_until is None else f" until {claim.lease_until.isoformat(timespec='seconds')}"
        )
        raise LeasedElsewhereError(f"another worker has ticket {claim.ticket_id}{until}")
    return claim.status.value


def _log_errors(results: Sequence[RecordResult]) -> None:
    """Log each error with its exception. Records that share one exception name the first of them instead."""
    first: dict[int, str] = {}
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
