"""Queues over the database of `store`, with ways to fill them and to let time pass."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import asyncpg
import pytest

from ticketctl.postgres.address import Address
from ticketctl.postgres.engine import Connections
from ticketctl.postgres.error_mapping import ErrorMappingConnections
from ticketctl.postgres.operations import PostgresOperations
from ticketctl.postgres.outbox import PostgresOutbox
from ticketctl.postgres.store import PostgresStore
from ticketctl.queues.embedded import PostgresQueue
from ticketctl.settings import Settings
from ticketctl.tickets.models import NewTicket

SETTINGS = Settings(max_receive_count=3, visibility_timeout=60)

Make = Callable[[int], Awaitable[list[int]]]


@pytest.fixture
def mapped(connections: Connections, emptied_url: str) -> ErrorMappingConnections:
    return ErrorMappingConnections(connections, Address.parse(emptied_url))


@pytest.fixture
def queue(mapped: ErrorMappingConnections) -> PostgresQueue:
    """A queue with a maximum receive count of 3 and a visibility timeout of one minute."""
    return PostgresQueue(mapped, SETTINGS)


@pytest.fixture
def outbox(mapped: ErrorMappingConnections) -> PostgresOutbox:
    return PostgresOutbox(mapped)


@pytest.fixture
def eager(mapped: ErrorMappingConnections) -> PostgresQueue:
    """The same queue with a visibility timeout of almost 0: delivered messages are visible again at once."""
    return PostgresQueue(mapped, replace(SETTINGS, visibility_timeout=0.000_001))


@pytest.fixture
def operations(mapped: ErrorMappingConnections) -> PostgresOperations:
    return PostgresOperations(mapped)


@pytest.fixture
def make(store: PostgresStore) -> Make:
    """Create tickets with their messages and return the ids."""

    async def made(number: int) -> list[int]:
        return [(await store.create(NewTicket(subject=f"Ticket {n}")))[0].id for n in range(number)]

    return made


@pytest.fixture
def show_again(other: asyncpg.Connection) -> Callable[[], Awaitable[None]]:
    """Make every hidden message visible, as if time had passed."""

    async def shown() -> None:
        await other.execute("update messages set visible_at = now() - interval '1 second'")

    return shown
