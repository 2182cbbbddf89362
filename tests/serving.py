"""The API for tests: an HTTP client of the application itself, and of the program that serves it."""

import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, nullcontext

import httpx

from tests.program import COMMAND
from ticketctl.api.app import create_app
from ticketctl.runtime import api_resources
from ticketctl.settings import Settings

JSON = {"content-type": "application/json"}


@asynccontextmanager
async def asked(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application, over no socket; errors come as the responses that a server would give."""
    async with api_resources(settings, one_loop=True)() as resources:
        app = create_app(settings, lambda: nullcontext(resources))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            yield client


@contextmanager
def served(environment: Mapping[str, str], *, log: int | None = None) -> Iterator[str]:
    """Run `ticketctl serve` on a free port; yields its URL, and asks it to stop at the end.

    `log` is the descriptor of a file for what it tells meanwhile.
    """
    command = [*COMMAND, "serve", "--port", "0"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()
    assert process.returncode == 0
