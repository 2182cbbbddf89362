"""A batch of tickets whose provider takes its time: the worker's handler, a real database, a real server."""

import asyncio
import time
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from tests.fakes import FakeContext
from tests.integration.ai.provider_server import chat, provider_server
from ticketctl.settings import Settings
from ticketctl.tickets.messages import TicketMessage, build_event
from ticketctl.tickets.models import NewTicket, Step
from ticketctl.tickets.statuses import TicketStatus
from ticketctl.worker import Worker

RECORDS = 10
CALL = 1.0
"""Seconds after which each call is answered."""
APPLICATION = "waiting-for-ai"
HELD = "select count(*) from pg_stat_activity where application_name = $1"
ANSWERS = {
    "category": "billing",
    "priority": "normal",
    "sentiment": "neutral",
    "language": "en",
    "confidence": 0.9,
    "entities": [{"kind": "invoice_id", "value": "INV-2024-001"}],
    "reply": "We are looking into INV-2024-001.",
}


class SlowModel:
    """Answers each call after a second, and not before all that can wait at once do.

    `held` is what the worker's connections come down to meanwhile: two calls a ticket, then the third.
    """

    def __init__(self, watcher):
        self._watcher = watcher
        self._answer = chat(ANSWERS)
        self._calls = 0
        self._looked = {2 * RECORDS: asyncio.Event(), 3 * RECORDS: asyncio.Event()}
        self.held = []

    async def __call__(self, writer):
        self._calls += 1
        all_waiting = self._looked[2 * RECORDS if self._calls <= 2 * RECORDS else 3 * RECORDS]
        second = asyncio.create_task(asyncio.sleep(CALL))
        if self._calls in self._looked:
            self.held.append(await self._least_held())
            all_waiting.set()
        await all_waiting.wait()
        await second
        return await self._answer(writer)

    async def _least_held(self):
        """What is open; a backend needs a moment to notice that its client has left."""
        for _ in range(100):
            if not (held := await self._watcher.fetchval(HELD, APPLICATION)):
                break
            await asyncio.sleep(0.02)
        return held


@pytest.fixture
async def model(other):
    async with provider_server() as server:
        slow = SlowModel(other)
        server.replies = [slow]
        slow.url = server.url
        yield slow


@pytest.fixture
def handle(emptied_url, model):
    """The handler of a worker in an execution environment of its own."""
    settings = Settings(
        database_url=emptied_url,
        application_name=APPLICATION,
        ai_provider="openai",
        ai_base_url=model.url,
        ai_model="slow",
    )
    worker = Worker(settings)
    yield worker.handle
    worker.close()


async def test_ten_tickets_wait_concurrently_without_a_connection(handle, model, store):
    new = [NewTicket(subject="Charged twice", body=f"Invoice INV-2024-001, {n}") for n in range(RECORDS)]
    tickets = [(await store.create(ticket))[0] for ticket in new]
    messages = [TicketMessage(message_id=str(uuid4()), ticket_id=ticket.id) for ticket in tickets]
    event = build_event(messages, sent_at=datetime.now(UTC))
    started = time.monotonic()
    answer = await asyncio.to_thread(handle, event, FakeContext(60_000))
    took = time.monotonic() - started
    assert answer == {"batchItemFailures": []}
    assert model.held == [0, 0]
    assert (
        took < RECORDS * CALL
    )  # one after the other, they would take thrice that; the benchmarks measure it
    for ticket in tickets:
        details = await store.get_details(ticket.id)
        assert (details.ticket.status, details.ticket.category) == (TicketStatus.PROCESSED, "billing")
        assert details.ticket.draft == "We are looking into INV-2024-001.\n"
        assert {step.step: step.provider for step in details.steps}[Step.CLASSIFY] == "openai"
