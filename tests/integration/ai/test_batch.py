"""A batch of tickets whose provider takes its time, on a real database and a real server."""

import asyncio
import time
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest

from tests.integration.ai.provider_server import chat, provider_server
from ticketctl.ai.offline import OfflineProvider
from ticketctl.ai.online import OnlineProvider, OnlineSettings
from ticketctl.ai.spending import Budget
from ticketctl.ai.taxonomy_file import default_taxonomy
from ticketctl.ai.transport import open_client
from ticketctl.batch import Limits, process
from ticketctl.db.address import Address
from ticketctl.db.engine import Engines
from ticketctl.db.pools import pool_named
from ticketctl.db.store import PostgresStore
from ticketctl.domain import NewTicket, Step, TicketStatus
from ticketctl.messages import TicketMessage
from ticketctl.pipeline import Pipeline
from ticketctl.settings import Settings

TAXONOMY = default_taxonomy()
RECORDS = 10
HELD = "select count(*) from pg_stat_activity where application_name = 'waiting-for-ai'"
ANSWERS = {
    "category": "billing",
    "priority": "normal",
    "sentiment": "neutral",
    "language": "en",
    "confidence": 0.9,
    "entities": [{"kind": "invoice_id", "value": "INV-2024-001"}],
    "reply": "We are looking into INV-2024-001.",
}


@pytest.fixture
async def model_server():
    async with provider_server() as server:
        yield server


async def test_ten_tickets_wait_at_once_and_hold_no_connection(model_server, database_url):
    settings = Settings(database_url=database_url, application_name="waiting-for-ai")
    waiting, held = 0, []
    watcher = await asyncpg.connect(Address.parse(database_url).dsn)
    answer = chat(ANSWERS)
    watched = asyncio.Event()

    async def watch():
        """Count what is open; a backend needs a moment to notice that its client has left."""
        for _ in range(100):
            held.append(await watcher.fetchval(HELD))
            if held[-1] == 0:
                break
            await asyncio.sleep(0.02)
        watched.set()

    async def slow(writer):
        nonlocal waiting
        waiting += 1
        if waiting == 2 * RECORDS:
            await watch()
        await watched.wait()
        return await answer(writer)

    model_server.replies = [slow]
    engines = Engines(Address.parse(database_url), pool_named("null"), settings)
    online = OnlineSettings(provider="openai", model="m", base_url=model_server.url)
    async with engines.per_loop() as connections, open_client(30.0) as client:
        store = PostgresStore(connections)
        new = [NewTicket(subject="Charged twice", body=f"Invoice INV-2024-001, {n}") for n in range(RECORDS)]
        tickets = [(await store.create(ticket))[0] for ticket in new]
        provider = OnlineProvider(online, TAXONOMY, OfflineProvider(TAXONOMY), client, Budget({}))
        pipeline = Pipeline(store=store, provider=provider, router=TAXONOMY)
        messages = [
            TicketMessage(message_id=str(ticket.id), receive_count=1, group=None, ticket_id=ticket.id)
            for ticket in tickets
        ]
        limits = Limits(deadline=time.monotonic() + 60, lease=timedelta(seconds=60), max_receive_count=5)
        results = await process(messages, pipeline, limits, environment_id=str(uuid4()))
        done = [await store.history(ticket.id) for ticket in tickets]
    await watcher.close()
    assert [result.error for result in results] == [None] * RECORDS
    assert held[-1] == 0
    for history in done:
        assert (history.ticket.status, history.ticket.category) == (TicketStatus.PROCESSED, "billing")
        assert history.ticket.draft == "We are looking into INV-2024-001.\n"
        assert {step.step: step.provider for step in history.steps}[Step.CLASSIFY] == "openai"
