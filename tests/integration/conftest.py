"""What the tests with a real database share."""

import os
import time
from collections.abc import AsyncIterator, Callable, Iterator

import asyncpg
import pytest

from tests.certificates import Certificates, make
from tests.moto_server import moto
from tests.secured_server import Secured, secured_server
from ticketctl.postgres.address import Address
from ticketctl.postgres.decisions import PostgresDecisions
from ticketctl.postgres.engine import Connections, Engines
from ticketctl.postgres.pools import POOLS
from ticketctl.postgres.store import PostgresStore
from ticketctl.settings import Settings


@pytest.fixture
async def connections(emptied_url: str) -> AsyncIterator[Connections]:
    """Up to twenty connections at a time."""
    settings = Settings(database_url=emptied_url, max_connections=20)
    async with Engines(Address.parse(emptied_url), POOLS["null"], settings).open_connections() as made:
        yield made


@pytest.fixture
def store(connections: Connections) -> PostgresStore:
    """A store without tickets."""
    return PostgresStore(connections)


@pytest.fixture
def decisions(connections: Connections) -> PostgresDecisions:
    """People's changes on the tickets of `store`."""
    return PostgresDecisions(connections)


@pytest.fixture
async def other(emptied_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of somebody else's to the database of `store`."""
    connection = await asyncpg.connect(emptied_url)
    yield connection
    await connection.close()


@pytest.fixture
def settled(ask: Callable[[str], str]) -> Callable[[str, int], int]:
    """Count the connections that the server holds for an application.

    It waits for the expected number: the server notices a moment later that a connection was closed.
    """

    def count(application_name: str, expected: int) -> int:
        question = f"select count(*) from pg_stat_activity where application_name = '{application_name}'"  # noqa: S608 - a name of the test's own
        deadline = time.monotonic() + 5
        while (found := int(ask(question))) != expected and time.monotonic() < deadline:
            time.sleep(0.02)
        return found

    return count


@pytest.fixture(scope="session")
def aws() -> Iterator[str]:
    """The URL of AWS's services, as moto's server speaks them."""
    with moto() as server:
        yield server


@pytest.fixture
def aws_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that nobody checks, and no others."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def secured(certificates: Certificates, sql: Callable[..., str]) -> Iterator[Secured]:
    """A Postgres with passwords and TLS; without one of the operating system's, the test is skipped."""
    with secured_server(certificates, sql) as made:
        yield made
