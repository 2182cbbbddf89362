"""A laboratory, and what the handlers in it talk to."""

import asyncio
import importlib.util
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.warmstart import stand_ins
from tests.integration.warmstart.cases import SERVICES, Case
from ticketctl.warmstart.runner.lab import Laboratory

HERE = Path(__file__).parent


class Backends:
    """The connections of one application name."""

    def __init__(self, sql: Callable[..., str], url: str, name: str) -> None:
        self._sql, self._url, self._name = sql, url, name

    async def connections(self) -> int:
        return int(await self._ask("count(*)"))

    async def disconnect(self) -> None:
        await self._ask("count(pg_terminate_backend(pid))")

    async def _ask(self, what: str) -> str:
        where = f"from pg_stat_activity where application_name = '{self._name}'"
        return await asyncio.to_thread(self._sql, f"select {what} {where}", self._url)


@pytest.fixture
async def laboratory() -> AsyncIterator[Laboratory]:
    async with Laboratory() as one:
        yield one


def is_installed(module: str) -> bool:
    """Whether a module can be imported, and the packages that contain it."""
    parts = module.split(".")
    return all(
        importlib.util.find_spec(".".join(parts[:length])) is not None for length in range(1, len(parts) + 1)
    )


@pytest.fixture
def environment(request: pytest.FixtureRequest, case: Case) -> dict[str, str]:
    """Start what a case needs; the libraries are those of the development extra."""
    for need in case.needs:
        if need not in SERVICES and not is_installed(need):
            pytest.skip(f"{need} is not installed")
    services = [request.getfixturevalue(need) for need in case.needs if need in SERVICES]
    return {name: value for service in services for name, value in service.items()} | case.environment


@pytest.fixture
def handlers() -> Path:
    return HERE / "handlers"


@pytest.fixture
def corpus() -> Path:
    return HERE / "corpus"


@pytest.fixture
def backends(sql: Callable[..., str], empty_database_url: str) -> Callable[[str], Backends]:
    return lambda name: Backends(sql, empty_database_url, name)


@pytest.fixture
def postgres(empty_database_url: str) -> dict[str, str]:
    rest = empty_database_url.partition("://")[2]
    return {"POSTGRES": f"postgresql://{rest}", "SQLALCHEMY": f"postgresql+asyncpg://{rest}"}


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say 200 to every request, and keep the connection unless asked not to."""
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            closing = b"connection: close" in head
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n")
            writer.write(b"Connection: close\r\n\r\n" if closing else b"\r\n")
            if closing:
                break
    except (asyncio.IncompleteReadError, ConnectionError):
        pass  # the client has gone, or was cut off
    finally:
        writer.close()


@pytest.fixture
async def http() -> AsyncIterator[dict[str, str]]:
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield {"HTTP": f"http://127.0.0.1:{port}/", "PORT": str(port)}
    server.close()


@pytest.fixture
async def json_api() -> AsyncIterator[dict[str, str]]:
    async with stand_ins.serve(stand_ins.speak_json) as port:
        yield {"JSON": f"http://127.0.0.1:{port}", "SENTRY": f"http://key@127.0.0.1:{port}/1"}


@pytest.fixture
async def mongodb() -> AsyncIterator[dict[str, str]]:
    async with stand_ins.serve(stand_ins.speak_mongodb) as port:
        yield {"MONGODB": f"mongodb://127.0.0.1:{port}"}


@pytest.fixture
async def mysql() -> AsyncIterator[dict[str, str]]:
    async with stand_ins.serve(stand_ins.speak_mysql) as port:
        yield {"MYSQL": str(port)}


@pytest.fixture
async def amqp() -> AsyncIterator[dict[str, str]]:
    async with stand_ins.serve(stand_ins.speak_amqp) as port:
        yield {"AMQP": f"amqp://guest:guest@127.0.0.1:{port}/"}


@pytest.fixture
async def grpc_api() -> AsyncIterator[dict[str, str]]:
    async with stand_ins.serve_grpc() as port:
        yield {"GRPC": f"127.0.0.1:{port}"}


@pytest.fixture
async def websocket() -> AsyncIterator[dict[str, str]]:
    async with stand_ins.serve_websockets() as port:
        yield {"WEBSOCKET": f"ws://127.0.0.1:{port}"}


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    folder = tmp_path_factory.mktemp("redis")
    with subprocess.Popen([program, *options], cwd=folder, stdout=subprocess.DEVNULL) as process:
        try:
            _await_port(port)
            yield {"REDIS": f"redis://127.0.0.1:{port}/0"}
        finally:
            process.terminate()


def _await_port(port: int) -> None:
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=0.1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    pytest.fail("redis-server does not answer")
