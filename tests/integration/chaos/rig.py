"""`ticketctl work --drain` with faults in the handler and the queue; run it as `python -m ...rig`."""

import os
import random
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from tests.integration.chaos.sabotage import Sabotage
from ticketctl import event_loops, settings
from ticketctl.errors import QueueError
from ticketctl.queues.event_source_mapping import (
    BatchSettled,
    EnvironmentStarted,
    EventSourceMapping,
    MappingEvent,
    QueueRetry,
)
from ticketctl.runtime import Database, open_operator_resources
from ticketctl.tickets.queue_protocols import Delivery, OutboxMessage, Sender, TicketQueue
from ticketctl.warmstart.runner.local_function import LocalFunction

HANDLER = "tests.integration.chaos.handler:handler"


class SabotagedQueue:
    """The real queue with a fault point around each call; some calls raise."""

    def __init__(self, queue: TicketQueue, sabotage: Sabotage) -> None:
        self._queue = queue
        self._sabotage = sabotage
        self._chance = random.Random(sabotage.plan["seed"])  # noqa: S311 - a seed makes the run repeatable

    async def receive(self, limit: int, *, wait: float) -> Sequence[Delivery]:
        self._refuse()
        deliveries = await self._queue.receive(limit, wait=wait)
        if deliveries:
            self._sabotage.at("after-receive")
        return deliveries

    async def delete(self, deliveries: Sequence[Delivery]) -> None:
        self._refuse()
        self._sabotage.at("before-delete")
        await self._queue.delete(deliveries)
        self._sabotage.at("after-delete")

    async def release(self, deliveries: Sequence[Delivery]) -> Sequence[str]:
        self._refuse()
        self._sabotage.at("before-queue-release")
        given_up = await self._queue.release(deliveries)
        self._sabotage.at("after-queue-release")
        return given_up

    async def extend(self, deliveries: Sequence[Delivery]) -> None:
        self._refuse()
        await self._queue.extend(deliveries)

    async def count_backlog(self) -> int:
        return await self._queue.count_backlog()

    def _refuse(self) -> None:
        if self._chance.random() < self._sabotage.plan.get("refusals", 0):
            self._sabotage.note("refused")
            raise QueueError("the queue refuses")


class SabotagedSender:
    """The real sender of the outbox with a fault point after each request."""

    def __init__(self, sender: Sender, sabotage: Sabotage) -> None:
        self._sender = sender
        self._sabotage = sabotage

    async def send(self, messages: Sequence[OutboxMessage]) -> Sequence[str]:
        accepted = await self._sender.send(messages)
        self._sabotage.note("sent", messages=len(accepted))
        self._sabotage.at("after-send")
        return accepted


async def main() -> None:
    """Drain the configured queue."""
    loaded, sabotage = settings.load(os.environ), Sabotage()

    def record(event: MappingEvent) -> None:
        if isinstance(event, EnvironmentStarted):
            sabotage.note("started", environment=event.pid)
        elif isinstance(event, BatchSettled) and event.error is not None:
            sabotage.note("failed", error=event.error)
        elif isinstance(event, QueueRetry):
            sabotage.note("retried", error=str(event.error))

    async with open_operator_resources(Database(loaded, embedded=False)) as resources:
        queue: Any = SabotagedQueue(resources.queue, sabotage)
        make_function = partial(
            LocalFunction, HANDLER, name="worker", environment=settings.to_environment(loaded), is_quiet=True
        )
        sabotage.at("before-flush")
        if resources.sender is not None:
            sender = SabotagedSender(resources.sender, sabotage)
            await replace(resources, sender=sender).flush()
        await EventSourceMapping(
            queue, make_function, loaded, record, drain=True, store=resources.store
        ).run()


if __name__ == "__main__":
    event_loops.run(main())
