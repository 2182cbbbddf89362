"""The database dies during work: finished tickets stay finished, the others are returned, nothing is half-written."""

import os
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import pytest

from tests.fakes import NOON, FakeContext, FakeProvider, FakeRouter
from tests.server_folder import server_folder
from ticketctl import event_loops, runtime
from ticketctl.event_loops import LOOPS
from ticketctl.postgres.address import Address
from ticketctl.postgres.embedded import EmbeddedServer
from ticketctl.postgres.engine import Engines
from ticketctl.postgres.pools import get_pool
from ticketctl.postgres.store import PostgresStore
from ticketctl.processing.pipeline import Pipeline
from ticketctl.runtime import Database
from ticketctl.settings import Settings
from ticketctl.tickets.messages import TicketMessage, build_event
from ticketctl.tickets.models import Step, Ticket
from ticketctl.tickets.protocols import ProviderResponse
from ticketctl.worker import Worker, response

PAIRS = [("null", "run-per-invocation"), ("queue-pre-ping", "runner")]


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A home folder that the server's account can enter."""
    with server_folder() as folder:
        yield folder / "home"
        EmbeddedServer(folder / "home").stop()


class Mortal:
    """A server that can be killed and started again."""

    def __init__(self, home: Path) -> None:
        self._server = EmbeddedServer(home)
        self._home = home
        self.url = ""

    @contextmanager
    def living(self) -> Iterator[None]:
        with self._server.use() as self.url:
            event_loops.run(runtime.prepare_tables(Database(Settings(database_url=self.url), embedded=True)))
            yield

    def die(self) -> None:
        pid = int((self._home / "postgres" / "postmaster.pid").read_text().split("\n")[0])
        os.kill(pid, signal.SIGKILL)
        with suppress(ProcessLookupError):
            while True:
                os.kill(pid, 0)

    def live_again(self) -> None:
        with self._server.use():
            pass  # it keeps running: the fixture `living` uses it too

    def ask(self, statement: str) -> str:
        command = [str(self._server.psql), "--no-psqlrc", "-XAtq", "-d", self.url, "-c", statement]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def make_ticket(self) -> int:
        return int(self.ask("insert into tickets (subject) values ('I was charged twice') returning id"))


@pytest.fixture(scope="module")
def server_of_the_module(home: Path) -> Iterator[Mortal]:
    made = Mortal(home)
    with made.living():
        yield made


@pytest.fixture
def mortal(server_of_the_module: Mortal) -> Mortal:
    """A running server without tickets."""
    server_of_the_module.ask("delete from tickets")
    return server_of_the_module


def failed(worker: Worker, *ticket_ids: int) -> list[str]:
    messages = [TicketMessage(message_id=f"m-{ticket_id}", ticket_id=ticket_id) for ticket_id in ticket_ids]
    answer = response(worker.invoke(build_event(messages, sent_at=NOON), FakeContext()))
    return [item["itemIdentifier"] for item in answer["batchItemFailures"]]


@pytest.mark.parametrize(("pool", "loop"), PAIRS)
def test_a_database_that_restarts_between_two_invocations(mortal: Mortal, pool: str, loop: str) -> None:
    first, second = mortal.make_ticket(), mortal.make_ticket()
    worker = Worker(Settings(database_url=mortal.url, pool=pool, loop=loop, connect_timeout=2.0))
    try:
        assert failed(worker, first) == []
        mortal.die()
        assert failed(worker, second) == [f"m-{second}"]
        mortal.live_again()
        assert mortal.ask("select status from tickets order by id") == "processed\nnew"
        assert failed(worker, first, second) == []
        assert mortal.ask("select status from tickets order by id") == "processed\nprocessed"
    finally:
        worker.close()


class Killing(FakeProvider):
    """A provider that kills the database while it answers."""

    def __init__(self, die: Callable[[], None]) -> None:
        super().__init__(local=False)
        self.kill = die

    async def _answer(self, ticket: Ticket, step: Step, output: object) -> ProviderResponse[object]:  # type: ignore[override]
        answer = await super()._answer(ticket, step, output)
        if step is Step.RESPOND:
            self.kill()
        return answer


@pytest.mark.parametrize(("pool", "loop"), PAIRS)
def test_a_database_that_dies_while_a_ticket_is_processed(
    mortal: Mortal,
    caplog: pytest.LogCaptureFixture,
    pool: str,
    loop: str,
) -> None:
    settings = Settings(database_url=mortal.url, pool=pool, loop=loop, connect_timeout=2.0)
    engines = Engines(Address.parse(mortal.url), get_pool(pool), settings, one_loop=LOOPS[loop].persistent)
    provider = Killing(mortal.die)

    @asynccontextmanager
    async def open_pipeline() -> AsyncIterator[Pipeline]:
        async with engines.open_connections() as connections:
            yield Pipeline(store=PostgresStore(connections), provider=provider, router=FakeRouter())

    worker = Worker(settings, pipelines=open_pipeline)
    ticket_id = mortal.make_ticket()
    try:
        assert failed(worker, ticket_id) == [f"m-{ticket_id}"]
        mortal.live_again()
        assert any("could not be written" in record.getMessage() for record in caplog.records)
        # the paid steps were saved before; the result was not written, and the lease will expire
        assert (
            mortal.ask("select status, category, draft, lease_until > now() from tickets") == "processing|||t"
        )
        assert mortal.ask("select step from steps order by step") == "classify\nextract"
        assert mortal.ask("select outcome from attempts") == ""
        mortal.ask("update tickets set lease_until = now()")
        provider.asked.clear()
        provider.kill = lambda: None
        assert failed(worker, ticket_id) == []
        assert provider.asked == [(ticket_id, Step.RESPOND)]
        assert mortal.ask("select status, attempt from tickets") == "processed|2"
    finally:
        worker.close()
