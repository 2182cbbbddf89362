"""A local event source mapping: what AWS runs between a queue and a Lambda function, on one machine.

It polls a queue, invokes a handler in execution environments that stay warm, deletes the messages that were processed
and releases the others, by the rules of
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import Any, Protocol, TypeAlias, TypeVar

from ticketctl.errors import ConfigError, InvalidInputError, TicketctlError
from ticketctl.queues.batch_size import BatchSize
from ticketctl.settings import Settings
from ticketctl.tickets.messages import TicketMessage, parse_event, read_batch_response
from ticketctl.tickets.protocols import TicketStore
from ticketctl.tickets.queue_protocols import Delivery, TicketQueue
from ticketctl.warmstart.runner.local_function import InvocationFailedError

Result = TypeVar("Result")

RECEIVE_WAIT = 1.0
"""Seconds that a receive waits for a message. A stop waits for the current receive."""
EXTENSIONS = 3
"""How often per visibility timeout the messages of a running invocation are hidden for another one."""
_RETRY_PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds between attempts while the queue does not answer; the last pause repeats."""
DRAIN_RETRY_SECONDS = 60.0
"""Seconds for which a mapping that drains calls a queue that does not answer. Then it ends with the error."""
_FAILURE_PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0)
"""Seconds without a receive after each failed invocation in a row, in all environments; the last one repeats."""
_START_PAUSES = (0.5, 2.0)
"""Seconds between attempts to start an environment. After the last attempt the mapping ends."""


@dataclass(frozen=True, slots=True)
class EnvironmentStarted:
    """An execution environment is ready; `again`: it replaces one that ended."""

    pid: int
    again: bool


@dataclass(frozen=True, slots=True)
class BatchReceived:
    """A batch was received."""

    deliveries: Sequence[Delivery]


@dataclass(frozen=True, slots=True)
class BatchSettled:
    """A batch was settled: `done` were deleted, `returned` were released, of which `given_up` are not delivered again.

    `error`: why the whole invocation failed.
    """

    done: Sequence[Delivery]
    returned: Sequence[Delivery]
    given_up: frozenset[str]
    seconds: float
    error: str | None


@dataclass(frozen=True, slots=True)
class QueueRetry:
    """A call to the queue failed; the mapping tries again."""

    error: TicketctlError


class WarmFunction(Protocol):
    """A Lambda function in one execution environment, whose process is replaced after it ended."""

    @property
    def pid(self) -> int | None:
        """The id of the process; None while there is none."""

    @property
    def readings(self) -> list[Any]:
        """The last value of the function's meter in each of its processes."""

    async def start(self) -> bool:
        """Start a process unless one is alive; return whether a new one was started."""

    async def invoke(self, event: Mapping[str, Any], timeout: float) -> Any:  # noqa: ASYNC109 Lambda's term
        """Return the handler's response. Raises InvocationFailedError; the process is killed after `timeout` seconds."""

    async def stop(self) -> None:
        """End the process."""


MappingEvent: TypeAlias = EnvironmentStarted | BatchReceived | BatchSettled | QueueRetry


@dataclass(slots=True)
class EventSourceMapping:
    """Polls `queue` and invokes functions until `stop` is called or, with `drain`, the queue is empty.

    `make_function` is called once per concurrent execution environment; `on_event` for every event. If there is a
    `store`, the error of an invocation that failed as a whole is written on the tickets that it left unclaimed: the
    worker may have had no database connection to do that itself.
    """

    queue: TicketQueue
    make_function: Callable[[], WarmFunction]
    settings: Settings
    on_event: Callable[[MappingEvent], None]
    drain: bool = False
    drain_retry_seconds: float = DRAIN_RETRY_SECONDS
    store: TicketStore | None = None
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _resumed: asyncio.Event = field(default_factory=asyncio.Event)
    _failures: int = 0
    _functions: list[WarmFunction] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Start unpaused."""
        self._resumed.set()

    @property
    def is_stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stopping.is_set()

    @property
    def readings(self) -> list[Any]:
        """The last value of the functions' meters in each process so far."""
        return [reading for function in self._functions for reading in function.readings]

    @property
    def is_paused(self) -> bool:
        """Whether `pause` was called, and `resume` was not."""
        return not self._resumed.is_set()

    def stop(self) -> None:
        """Receive nothing more; batches in flight are finished."""
        self._stopping.set()
        self._resumed.set()

    def pause(self) -> None:
        """Receive nothing until `resume` is called; batches in flight are finished."""
        if not self.is_stopping:
            self._resumed.clear()

    def resume(self) -> None:
        """Receive again."""
        self._resumed.set()

    async def run(self) -> None:
        """Run the configured number of environments concurrently.

        Raises:
            ConfigError: An environment cannot be started.
            TicketctlError: With `drain`, the queue did not answer for `drain_retry_seconds`.
        """
        self._functions = [self.make_function() for _ in range(self.settings.concurrency)]
        try:
            async with asyncio.TaskGroup() as group:
                for function in self._functions:
                    group.create_task(self._serve(function))
        except ExceptionGroup as group_error:
            first = group_error.exceptions[0]  # the task group cancelled the others because of it
            if not isinstance(first, InvocationFailedError):
                raise first from None
            raise ConfigError(
                f"the worker cannot be started: {first}", hint="read what it wrote on stderr"
            ) from first

    async def _serve(self, function: WarmFunction) -> None:
        started, size = 0, BatchSize(self.settings)
        try:
            while not self.is_stopping:
                if await _start_environment(function) and function.pid is not None:
                    self.on_event(EnvironmentStarted(function.pid, again=started > 0))
                    started += 1
                await self._resumed.wait()
                if self._failures:
                    await self._sleep(_FAILURE_PAUSES[min(self._failures, len(_FAILURE_PAUSES)) - 1])
                if self.is_stopping:
                    return
                received_at = time.monotonic()
                deliveries = await self._receive_batch(size.limit)
                if deliveries:
                    settled = await self._invoke(function, deliveries, received_at)
                    done, returned = len(settled.done), len(settled.returned)
                    size.adjust(done=done, returned=returned, seconds=settled.seconds)
                elif self.drain and await self._retry(self.queue.count_backlog) == 0:
                    return
        finally:
            await function.stop()

    async def _receive_batch(self, size: int) -> list[Delivery]:
        """Receive a batch; with a batching window, wait for it to fill."""
        if self.is_stopping:  # it may have been stopped while it was paused
            return []
        deliveries = list(await self._receive(size, RECEIVE_WAIT))
        closes = time.monotonic() + self.settings.window
        while deliveries and len(deliveries) < size and not self.is_stopping:
            left = closes - time.monotonic()
            if left <= 0:
                break
            deliveries += await self._receive(size - len(deliveries), min(left, RECEIVE_WAIT))
        return deliveries

    async def _receive(self, limit: int, wait: float) -> Sequence[Delivery]:
        return await self._retry(lambda: self.queue.receive(limit, wait=wait)) or ()

    async def _invoke(
        self, function: WarmFunction, deliveries: Sequence[Delivery], received_at: float
    ) -> BatchSettled:
        self.on_event(BatchReceived(deliveries))
        event = {"Records": [delivery.record for delivery in deliveries]}
        started, error = time.monotonic(), None
        extending = asyncio.create_task(self._keep_hidden(deliveries, received_at))
        try:
            response = await function.invoke(event, self.settings.function_timeout)
            failed = read_batch_response(response, {delivery.message_id for delivery in deliveries})
            self._failures = 0
        except (InvocationFailedError, InvalidInputError) as problem:
            failed, error = frozenset(delivery.message_id for delivery in deliveries), str(problem)
            self._failures += 1
        finally:
            extending.cancel()
        if error is not None:
            await self._write_error(event, error)
        done = [delivery for delivery in deliveries if delivery.message_id not in failed]
        returned = [delivery for delivery in deliveries if delivery.message_id in failed]
        given_up = await self._settle(done, returned)
        settled = BatchSettled(done, returned, given_up, time.monotonic() - started, error)
        self.on_event(settled)
        return settled

    async def _keep_hidden(self, deliveries: Sequence[Delivery], received_at: float) -> None:
        """Extend the visibility timeout of the deliveries again and again, until this task is cancelled."""
        interval = self.settings.visibility_timeout / EXTENSIONS
        # a batching window may have used up a part of the first interval, or all of it
        await asyncio.sleep(max(0.0, received_at + interval - time.monotonic()))
        while True:
            try:
                await self.queue.extend(deliveries)
            except TicketctlError as error:
                # the next extension may succeed; if none does, another consumer receives the messages
                self.on_event(QueueRetry(error))
            await asyncio.sleep(interval)

    async def _write_error(self, event: Mapping[str, Any], error: str) -> None:
        """Write why an invocation failed on the tickets that it did not claim. Best effort: it costs no delivery."""
        if self.store is None:
            return
        ids = [message.ticket_id for message in parse_event(event) if isinstance(message, TicketMessage)]
        try:
            await self.store.write_error(ids, error)
        except TicketctlError as problem:
            self.on_event(QueueRetry(problem))

    async def _settle(self, done: Sequence[Delivery], returned: Sequence[Delivery]) -> frozenset[str]:
        """Delete and release deliveries; return the ids of the messages that are not delivered again."""
        if done:
            await self._retry(lambda: self.queue.delete(done))
        if not returned:
            return frozenset()
        return frozenset(await self._retry(lambda: self.queue.release(returned)) or ())

    async def _retry(self, call: Callable[[], Awaitable[Result]]) -> Result | None:
        """Call the queue until it answers; return None where `stop` was called meanwhile."""
        pauses = chain(_RETRY_PAUSES, repeat(_RETRY_PAUSES[-1]))
        failing_since = None
        while True:
            try:
                return await call()
            except TicketctlError as error:
                failing_since = failing_since or time.monotonic()
                if self.drain and time.monotonic() - failing_since >= self.drain_retry_seconds:
                    raise
                self.on_event(QueueRetry(error))
            if self.is_stopping:
                return None
            await self._sleep(next(pauses))

    async def _sleep(self, seconds: float) -> None:
        """Sleep until the seconds are over or `stop` is called."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()


async def _start_environment(function: WarmFunction) -> bool:
    """Start the environment unless it is running, with a few attempts; return True where it is a new process."""
    for pause in _START_PAUSES:
        try:
            return await function.start()
        except InvocationFailedError:
            await asyncio.sleep(pause)
    return await function.start()
