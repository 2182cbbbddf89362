"""Queues over the database of `store`, and quick ways to fill and age them."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import asyncpg
import pytest

from ticketctl.postgres.address import Address
from ticketctl.postgres.engine import Connections
from ticketctl.postgres.error_mapping import ErrorMappingConnections
from ticketctl.postgres.operations import PostgresOperations
from ticketctl.postgres.store import PostgresStore
from ticketctl.queues.embedded import PostgresQueue
from ticketctl.settings import Settings
from ticketctl.tickets.models import NewTicket

SETTINGS = Settings(max_receive_count=3, visibility_timeout=60)

Make = Callable[[int], Awaitable[list[int]]]


@pytest.fixture
def telling(connections: Connections, emptied_url: str) -> ErrorMappingConnections:
    return ErrorMappingConnections(connections, Address.parse(emptied_url))


@pytest.fixture
def queue(telling: ErrorMappingConnections) -> PostgresQueue:
    """A queue that gives up after three deliveries, and hides what it delivers for a minute."""
    return PostgresQueue(telling, SETTINGS)


@pytest.fixture
def eager(telling: ErrorMappingConnections) -> PostgresQueue:
    """The same queue, as somebody sees it who hides nothing: what was delivered is visible again at once."""
    return PostgresQueue(telling, replace(SETTINGS, visibility_timeout=0.000_001))


@pytest.fixture
def operations(telling: ErrorMappingConnections) -> PostgresOperations:
    return PostgresOperations(telling)


@pytest.fixture
def make(store: PostgresStore) -> Make:
    """Make tickets, each with its message; answers their ids."""

    async def made(number: int) -> list[int]:
        return [(await store.create(NewTicket(subject=f"Ticket {n}")))[0].id for n in range(number)]

    return made


@pytest.fixture
def show_again(other: asyncpg.Connection) -> Callable[[], Awaitable[None]]:
    """Let every hidden message be visible, as if time had passed."""

    async def shown() -> None:
        await other.execute("update messages set visible_at = now() - interval '1 second'")

    return shown
