"""The worker Lambda with faults: the real handler, store and pipeline, and a slow provider."""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

from tests.fakes import FakeProvider
from tests.integration.chaos.sabotage import Sabotage
from ticketctl import settings, worker
from ticketctl.errors import ProviderError
from ticketctl.event_loops import Loop, get_loop_policy
from ticketctl.processing.pipeline import Pipeline
from ticketctl.runtime import resources
from ticketctl.tickets.messages import TicketMessage
from ticketctl.tickets.models import Classification, Extraction, Route, Step, StepRecord, Ticket
from ticketctl.tickets.protocols import Claim, PipelineResult, ProviderResponse, RecordFailure, TicketStore

Output = TypeVar("Output")


class SabotagedStore:
    """The real store with a fault point before and after each call of the worker."""

    def __init__(self, store: TicketStore, sabotage: Sabotage) -> None:
        self._store = store
        self._sabotage = sabotage

    def share_connection(self) -> AbstractAsyncContextManager[None]:
        return self._store.share_connection()

    async def claim(
        self, messages: Sequence[TicketMessage], *, token: UUID, lease: timedelta, environment_id: str
    ) -> Mapping[int, Claim]:
        self._sabotage.at("before-claim")
        claims = await self._store.claim(messages, token=token, lease=lease, environment_id=environment_id)
        self._sabotage.at("after-claim")
        return claims

    async def save_step(self, ticket_id: int, token: UUID, step: StepRecord) -> bool:
        saved = await self._store.save_step(ticket_id, token, step)
        if saved:
            self._sabotage.note("saved", ticket=ticket_id, step=step.step)
        self._sabotage.at(f"after-save-{step.step}", ticket_id)
        return saved

    async def finish(
        self, ticket_id: int, token: UUID, outcome: PipelineResult, steps: Sequence[StepRecord]
    ) -> bool:
        self._sabotage.at("before-finish", ticket_id)
        finished = await self._store.finish(ticket_id, token, outcome, steps)
        if finished:
            self._sabotage.note("finished", ticket=ticket_id)
        self._sabotage.at("after-finish", ticket_id)
        return finished

    async def extend_leases(self, ticket_ids: Collection[int], *, token: UUID, lease: timedelta) -> None:
        await self._store.extend_leases(ticket_ids, token=token, lease=lease)
        self._sabotage.at("after-extend")

    async def release(self, failures: Sequence[RecordFailure], *, token: UUID, environment_id: str) -> None:
        self._sabotage.at("before-release")
        await self._store.release(failures, token=token, environment_id=environment_id)
        self._sabotage.at("after-release")


class SlowProvider(FakeProvider):
    """A slow, paid provider that fails once for some tickets."""

    def __init__(self, sabotage: Sabotage) -> None:
        super().__init__(local=False)
        self._sabotage = sabotage
        self._chance = random.Random(sabotage.plan["seed"])  # noqa: S311 - a seed makes the run repeatable

    async def classify(self, ticket: Ticket) -> ProviderResponse[Classification]:
        return await self._ask(ticket, Step.CLASSIFY, lambda: FakeProvider.classify(self, ticket))

    async def extract(self, ticket: Ticket) -> ProviderResponse[Extraction]:
        return await self._ask(ticket, Step.EXTRACT, lambda: FakeProvider.extract(self, ticket))

    async def respond(
        self, ticket: Ticket, classification: Classification, extraction: Extraction, route: Route
    ) -> ProviderResponse[Any]:
        return await self._ask(
            ticket,
            Step.RESPOND,
            lambda: FakeProvider.respond(self, ticket, classification, extraction, route),
        )

    async def _ask(self, ticket: Ticket, step: Step, answer: Callable[[], Awaitable[Output]]) -> Output:
        self._sabotage.at(f"before-{step}", ticket.id)
        self._sabotage.note("asked", ticket=ticket.id, step=step)
        await asyncio.sleep(self._sabotage.plan["latency"] * self._chance.uniform(0.5, 1))
        if step is Step.RESPOND and ticket.id % 5 == 0 and self._sabotage.once(f"failed-{ticket.id}"):
            raise ProviderError("the provider is overloaded")
        given = await answer()
        self._sabotage.note("answered", ticket=ticket.id, step=step)
        self._sabotage.at(f"after-{step}", ticket.id)
        return given


class SabotagedWorker(worker.Worker):
    """The worker with faults around its store and provider."""

    def __init__(self, loaded: settings.Settings, sabotage: Sabotage) -> None:
        super().__init__(loaded)
        compose = resources(loaded)

        @asynccontextmanager
        async def sabotaged() -> AsyncIterator[Pipeline]:
            async with compose() as pipeline:
                store: Any = SabotagedStore(pipeline.store, sabotage)
                yield Pipeline(store=store, provider=SlowProvider(sabotage), router=pipeline.router)

        composed: Callable[[], AbstractAsyncContextManager[Pipeline]] = sabotaged
        self._loop = Loop(get_loop_policy(loaded.loop), composed)


_sabotage = Sabotage()
_worker = SabotagedWorker(settings.load(os.environ), _sabotage)


def handler(event: object, context: Any) -> dict[str, Any]:
    answer = _worker.handle(event, context)
    _sabotage.at("before-answer")
    return answer
