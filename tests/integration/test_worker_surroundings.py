"""The worker without a free connection, and with a provider that takes longer than a lease."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest

from tests.fakes import NOON, FakeContext, FakeProvider, FakeRouter
from ticketctl import event_loops
from ticketctl.errors import DatabaseError
from ticketctl.event_loops import LOOPS
from ticketctl.postgres.address import Address
from ticketctl.postgres.engine import Engines
from ticketctl.postgres.error_mapping import ErrorMappingConnections
from ticketctl.postgres.pools import POOLS
from ticketctl.postgres.store import PostgresStore
from ticketctl.processing.deadline import OutOfTimeError
from ticketctl.processing.pipeline import Pipeline
from ticketctl.queues.embedded import PostgresQueue
from ticketctl.settings import Settings
from ticketctl.tickets.messages import TicketMessage, build_event
from ticketctl.tickets.models import Step
from ticketctl.worker import Worker

Ask = Callable[[str], str]


def make_tickets(ask: Ask, number: int) -> list[TicketMessage]:
    answer = ask(
        f"insert into tickets (subject) select 'Charged twice' from generate_series(1, {number}) returning id"  # noqa: S608 - a number
    )
    ids = [int(line) for line in answer.splitlines() if line.isdigit()]
    return [TicketMessage(message_id=f"m-{ticket_id}", ticket_id=ticket_id) for ticket_id in ids]


@pytest.fixture
def narrow_url(emptied_url: str, ask: Ask) -> Iterator[str]:
    """The database for a role that may hold one connection."""
    ask("create role narrow login connection limit 1; grant all on all tables in schema public to narrow")
    ask("grant usage on all sequences in schema public to narrow")
    parts = urlsplit(emptied_url)
    yield emptied_url.replace(parts.netloc, f"narrow@{parts.netloc.rpartition('@')[2]}")
    ask("drop owned by narrow; drop role narrow")


@pytest.mark.parametrize("loop", LOOPS)
def test_a_batch_without_a_free_connection_is_no_attempt(narrow_url: str, ask: Ask, loop: str) -> None:
    """A role with `connection limit 1`, whose one connection is in use."""
    messages = make_tickets(ask, 3)
    event = build_event(messages, sent_at=NOON)
    worker = Worker(Settings(database_url=narrow_url, loop=loop, connect_timeout=2.0))

    async def hold_the_connection() -> None:
        held = await asyncpg.connect(narrow_url)
        try:
            for _ in range(6):
                with pytest.raises(
                    DatabaseError, match=r"the batch was not attempted: .*too many connections"
                ):
                    await asyncio.to_thread(worker.handle, event, FakeContext())
        finally:
            await held.close()

    try:
        event_loops.run(hold_the_connection())
        assert ask("select distinct status, attempt, error from tickets") == "new|0|"
        assert ask("select count(*) from attempts") == "0"
        assert worker.handle(event, FakeContext()) == {"batchItemFailures": []}
        assert ask("select distinct status, attempt from tickets") == "processed|1"
    finally:
        worker.close()


class SlowProvider(FakeProvider):
    """Responds to the last step after `seconds`, and tries to claim its ticket for another worker meanwhile."""

    def __init__(self, seconds: float, claim: Callable[[], Any]) -> None:
        super().__init__(local=False)
        self.claims: list[Any] = []
        self._seconds, self._claim = seconds, claim

    async def respond(self, *arguments: Any) -> Any:
        for _ in range(int(self._seconds / 0.25)):
            await asyncio.sleep(0.25)
            self.claims.append(await self._claim())
        return await super().respond(*arguments)


@pytest.mark.parametrize(("pool", "loop"), [("null", "run-per-invocation"), ("queue-pre-ping", "runner")])
def test_no_other_worker_gets_a_ticket_during_a_long_attempt(
    emptied_url: str, ask: Ask, pool: str, loop: str
) -> None:
    """The response takes three times as long as the lease."""
    settings = Settings(database_url=emptied_url, pool=pool, loop=loop, visibility_timeout=1.0)
    engines = Engines(Address.parse(emptied_url), POOLS[pool], settings, one_loop=LOOPS[loop].persistent)
    [message] = make_tickets(ask, 1)

    async def claim_elsewhere() -> Any:
        async with Engines(
            Address.parse(emptied_url), POOLS["null"], settings
        ).open_connections() as connections:
            claims = await PostgresStore(connections).claim(
                [message], token=uuid4(), lease=timedelta(minutes=1), environment_id="other"
            )
        return claims[message.ticket_id].ticket

    provider = SlowProvider(3.0, claim_elsewhere)

    @asynccontextmanager
    async def open_pipeline() -> AsyncIterator[Pipeline]:
        async with engines.open_connections() as connections:
            yield Pipeline(store=PostgresStore(connections), provider=provider, router=FakeRouter())

    worker = Worker(settings, pipelines=open_pipeline)
    try:
        answer = worker.handle(build_event([message], sent_at=NOON), FakeContext(remaining_ms=20_000))
    finally:
        worker.close()
    assert answer == {"batchItemFailures": []}
    assert provider.claims == [None] * 12
    assert ask("select status, attempt from tickets") == "processed|1"


def test_a_ticket_whose_time_runs_out_on_every_delivery_does_not_fail(emptied_url: str, ask: Ask) -> None:
    """Four deliveries without time for the last step, although a message has two; then one with enough."""
    settings = Settings(database_url=emptied_url, max_receive_count=2, shutdown_reserve=0.2)
    address = Address.parse(emptied_url)
    engines = Engines(address, POOLS["null"], settings)
    [message] = make_tickets(ask, 1)
    ask("insert into messages (ticket_id, body) select id, format('{\"ticket_id\": %s}', id) from tickets")
    error = OutOfTimeError("the AI provider did not answer in the time left")
    provider = FakeProvider(local=False, failing={(message.ticket_id, Step.RESPOND): error})

    @asynccontextmanager
    async def open_pipeline() -> AsyncIterator[Pipeline]:
        async with engines.open_connections() as connections:
            yield Pipeline(store=PostgresStore(connections), provider=provider, router=FakeRouter())

    worker = Worker(settings, pipelines=open_pipeline)

    async def deliver() -> int:
        """Deliver the message as `work` does; return how often it was delivered, as far as that counts."""
        ask("update messages set visible_at = now()")
        async with engines.open_connections() as connections:
            queue = PostgresQueue(ErrorMappingConnections(connections, address), settings)
            [delivery] = await queue.receive(1, wait=5)
            answer = await asyncio.to_thread(worker.handle, {"Records": [delivery.record]}, FakeContext())
            settle = queue.release if answer["batchItemFailures"] else queue.delete
            await settle([delivery])
        return delivery.receive_count

    assert [event_loops.run(deliver()) for _ in range(4)] == [1] * 4
    assert ask("select status, attempt, error from tickets") == f"new|4|{error}"
    provider.failing.clear()
    assert event_loops.run(deliver()) == 1
    assert ask("select status, attempt from tickets") == "processed|5"
    # the steps of the first attempt were saved, and not asked for again
    assert provider.asked.count((message.ticket_id, Step.CLASSIFY)) == 1
    assert ask("select count(*) from messages") == "0"
