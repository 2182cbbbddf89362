"""The API over a real database: in this process without a socket, and served by the program itself."""

from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from tests.serving import asked
from ticketctl.settings import Settings

QUICK = {"api_rate": 1_000_000.0, "pool": "queue-pre-ping", "max_connections": 10, "store_timeout": 300.0}
"""A client of the tests asks more often than anybody may, and a thousand at once keep its loop from the answers."""


@pytest.fixture
async def api(emptied_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the API without tokens."""
    async with asked(Settings(database_url=emptied_url, **QUICK)) as client:
        yield client


@pytest.fixture
def written(ask: Callable[[str], str]) -> Callable[[], str]:
    """All that is in the tables."""
    return lambda: ask("table tickets order by 1; table messages order by 1; table attempts; table steps")
