"""The API for tests: an HTTP client of the application itself, and the program that serves it."""

import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, nullcontext
from typing import NamedTuple, TextIO

import httpx

from tests.program import COMMAND
from ticketctl.api.app import create_app
from ticketctl.runtime import api_resources
from ticketctl.settings import Settings

JSON = {"content-type": "application/json"}


@asynccontextmanager
async def open_client(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of the application, without a socket; exceptions become responses, as in a server."""
    async with api_resources(settings, one_loop=True)() as resources:
        app = create_app(settings, lambda: nullcontext(resources))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            yield client


class RunningServer(NamedTuple):
    """The URL of a server, and the token that it made; the token is empty if it made none."""

    url: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        """The headers of an authenticated request."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def open_client(self) -> httpx.Client:
        """Return a client that sends the token."""
        return httpx.Client(base_url=self.url, headers=self.headers, timeout=60)


@contextmanager
def serve(environment: Mapping[str, str], *options: str, log: int | None = None) -> Iterator[RunningServer]:
    """Run `ticketctl serve` on a free port and stop it at the end. `log` is the descriptor of a file for its log."""
    command = [*COMMAND, "serve", "--port", "0", *options]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True) as process:
        assert process.stdout
        try:
            yield read_address(process.stdout)
        finally:
            process.terminate()
    assert process.returncode == 0


def read_address(output: TextIO) -> RunningServer:
    """Read the first line that a server prints."""
    url, _, token = output.readline().strip().partition("\t")
    return RunningServer(url, token)
