"""The event source mapping, for one machine: what AWS runs between a queue and a function.

It polls a queue, invokes a handler in execution environments that stay warm, deletes what was done and lets the
rest come again, by the rules of https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import TypeAlias, TypeVar

from ticketctl.errors import ConfigError, InvalidInputError, TicketctlError
from ticketctl.queues.environment import Environment, EnvironmentFailedError, Function
from ticketctl.settings import Settings
from ticketctl.tickets.messages import read_batch_response
from ticketctl.tickets.protocols import Delivery, TicketQueue

Result = TypeVar("Result")

WAIT = 1.0
"""Seconds that one look at an empty queue takes; a stop waits for it."""
_MARGIN = 0.1
"""The share of the visibility timeout that is kept free to settle a batch."""
_PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds between tries while the queue does not answer; the last one again and again."""
_START_PAUSES = (0.5, 2.0)
"""Seconds between tries to start an environment; then it is given up."""


@dataclass(frozen=True, slots=True)
class EnvironmentStarted:
    """An execution environment is ready; `again` where it takes the place of one that ended."""

    pid: int
    again: bool


@dataclass(frozen=True, slots=True)
class BatchReceived:
    """A batch was received."""

    deliveries: Sequence[Delivery]


@dataclass(frozen=True, slots=True)
class BatchSettled:
    """A batch is through: what was done, what was returned; `error` where the whole batch failed."""

    done: Sequence[Delivery]
    returned: Sequence[Delivery]
    seconds: float
    error: str | None


@dataclass(frozen=True, slots=True)
class QueueRetry:
    """The queue did not answer as it should; the mapping tries again."""

    error: TicketctlError


MappingEvent: TypeAlias = EnvironmentStarted | BatchReceived | BatchSettled | QueueRetry


@dataclass(slots=True)
class EventSourceMapping:
    """Polls `queue` and invokes `function` until it is told to stop or, with `drain`, the queue is empty.

    `tell` hears of everything that happens.
    """

    queue: TicketQueue
    function: Function
    settings: Settings
    tell: Callable[[MappingEvent], None]
    drain: bool = False
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _environments: list[Environment] = field(default_factory=list)

    @property
    def stopping(self) -> bool:
        """Whether it was told to stop."""
        return self._stopping.is_set()

    @property
    def spent(self) -> float | None:
        """What the environments have spent, as the function's meter says; None where it could not tell."""
        spent = [environment.spent for environment in self._environments]
        return None if None in spent else sum(filter(None, spent))

    def stop(self) -> None:
        """Finish what is in flight and receive nothing more."""
        self._stopping.set()

    async def run(self) -> None:
        """Run the settings' number of environments side by side.

        Raises:
            ConfigError: An environment cannot be started.
        """
        self._environments = [Environment(self.function) for _ in range(self.settings.concurrency)]
        try:
            async with asyncio.TaskGroup() as group:
                for environment in self._environments:
                    group.create_task(self._serve(environment))
        except ExceptionGroup as failed:
            first = failed.exceptions[0]  # what ended the other environments too
            if not isinstance(first, EnvironmentFailedError):
                raise first from None
            raise ConfigError(
                f"the worker cannot be started: {first}", hint="what it wrote on stderr tells more"
            ) from first

    async def _serve(self, environment: Environment) -> None:
        started = 0
        try:
            while not self.stopping:
                if await _start(environment) and environment.pid is not None:
                    self.tell(EnvironmentStarted(environment.pid, again=started > 0))
                    started += 1
                received_at = time.monotonic()
                deliveries = await self._batch()
                if deliveries:
                    await self._invoke(environment, deliveries, received_at)
                elif self.drain and await self._persistently(self.queue.count_backlog) == 0:
                    return
        finally:
            await environment.stop()

    async def _batch(self) -> list[Delivery]:
        """Receive a batch; with a window, wait for it to fill."""
        size, window = self.settings.batch_size, self.settings.window
        deliveries = list(await self._receive(size, WAIT))
        closes = time.monotonic() + window
        while deliveries and len(deliveries) < size and not self.stopping:
            left = closes - time.monotonic()
            if left <= 0:
                break
            deliveries += await self._receive(size - len(deliveries), min(left, WAIT))
        return deliveries

    async def _receive(self, limit: int, wait: float) -> Sequence[Delivery]:
        async def receive() -> Sequence[Delivery]:
            return await self.queue.receive(limit, wait=wait)

        return await self._persistently(receive) or ()

    async def _invoke(
        self, environment: Environment, deliveries: Sequence[Delivery], received_at: float
    ) -> None:
        self.tell(BatchReceived(deliveries))
        visible_at = received_at + self.settings.visibility_timeout * (1 - _MARGIN)
        seconds = min(self.settings.function_timeout, visible_at - time.monotonic())
        event = {"Records": [delivery.record for delivery in deliveries]}
        started, error = time.monotonic(), None
        try:
            response = await environment.invoke(event, seconds)
            failed = read_batch_response(response, {delivery.message_id for delivery in deliveries})
        except (EnvironmentFailedError, InvalidInputError) as problem:
            failed, error = frozenset(delivery.message_id for delivery in deliveries), str(problem)
        done = [delivery for delivery in deliveries if delivery.message_id not in failed]
        returned = [delivery for delivery in deliveries if delivery.message_id in failed]
        await self._settle(done, returned)
        self.tell(BatchSettled(done, returned, time.monotonic() - started, error))

    async def _settle(self, done: Sequence[Delivery], returned: Sequence[Delivery]) -> None:
        if done:
            await self._persistently(lambda: self.queue.delete(done))
        if returned:
            await self._persistently(lambda: self.queue.release(returned))

    async def _persistently(self, call: Callable[[], Awaitable[Result]]) -> Result | None:
        """Call the queue until it answers; None where the mapping was told to stop meanwhile."""
        pauses = chain(_PAUSES, repeat(_PAUSES[-1]))
        while True:
            try:
                return await call()
            except TicketctlError as error:
                self.tell(QueueRetry(error))
            if self.stopping:
                return None
            with suppress(TimeoutError):
                async with asyncio.timeout(next(pauses)):
                    await self._stopping.wait()


async def _start(environment: Environment) -> bool:
    """Have the environment ready; one that dies at once is tried again, a few times."""
    for pause in _START_PAUSES:
        try:
            return await environment.start()
        except EnvironmentFailedError:
            await asyncio.sleep(pause)
    return await environment.start()
