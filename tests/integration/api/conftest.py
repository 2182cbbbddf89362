"""The API over a real database: in this process without a socket, and served by the program itself."""

from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from tests.serving import open_client
from ticketctl.settings import Settings

QUICK = {
    "api_rate": 1_000_000.0,
    "pool": "queue-pre-ping",
    "max_connections": 10,
    "store_timeout": 300.0,
    "connect_timeout": 300.0,
}
"""Settings without a rate limit and without timeouts: tests send a thousand requests at once on one event loop."""


@pytest.fixture
async def api(emptied_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the API without tokens."""
    async with open_client(Settings(database_url=emptied_url, **QUICK)) as client:
        yield client


@pytest.fixture
def rows(ask: Callable[[str], str]) -> Callable[[], str]:
    """Return all rows of the database as one text, for comparison."""
    return lambda: ask("table tickets order by 1; table messages order by 1; table attempts; table steps")
