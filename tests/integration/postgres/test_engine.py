"""The connections of one event loop: their number, their time limits, the hand-over to waiting callers."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import text

from ticketctl.postgres.address import Address
from ticketctl.postgres.engine import Connections, Engines
from ticketctl.postgres.pools import POOLS
from ticketctl.settings import Settings

Open = Callable[..., Any]


@pytest.fixture
def open_connections(emptied_url: str) -> Open:
    @asynccontextmanager
    async def opened(pool: str = "dispose", **chosen: Any) -> AsyncIterator[Connections]:
        settings = Settings(database_url=emptied_url, **chosen)
        engines = Engines(Address.parse(emptied_url), POOLS[pool], settings, one_loop=True)
        async with engines.open_connections() as connections:
            yield connections

    return opened


async def backend(connections: Connections, *, unpooled: bool = False) -> int:
    async with connections.acquire(unpooled=unpooled) as connection:
        pid: int = (await connection.execute(text("select pg_backend_pid()"))).scalar_one()
    return pid


async def test_a_pool_keeps_as_many_connections_as_were_used_concurrently(
    open_connections: Open, settled: Callable[[str, int], int]
) -> None:
    all_at_once = asyncio.Barrier(8)

    async def use(connections: Connections) -> None:
        async with connections.acquire():
            await all_at_once.wait()

    async with open_connections("queue", max_connections=8, application_name="eight") as connections:
        await asyncio.gather(*(use(connections) for _ in range(8)))
        assert settled("eight", 8) == 8


@pytest.mark.parametrize("limit", [1, 3])
async def test_max_connections_limits_concurrent_connections(open_connections: Open, limit: int) -> None:
    held = most = 0
    full = asyncio.Event()

    async def use(connections: Connections) -> None:
        nonlocal held, most
        async with connections.acquire():
            held += 1
            most = max(most, held)
            if held == limit:
                full.set()
            await full.wait()
            await asyncio.sleep(0)
            held -= 1

    async with open_connections(max_connections=limit) as connections:
        await asyncio.gather(*(use(connections) for _ in range(4 * limit)))
    assert most == limit


async def test_an_unpooled_connection_does_not_come_from_the_pool(open_connections: Open) -> None:
    async with open_connections() as connections:
        pooled = await backend(connections)
        assert await backend(connections) == pooled
        apart = [await backend(connections, unpooled=True) for _ in range(2)]
    assert len({pooled, *apart}) == 3


async def test_the_null_pool_keeps_no_connection(open_connections: Open) -> None:
    async with open_connections("null") as connections:
        assert await backend(connections) != await backend(connections)


async def test_each_statement_is_committed_by_itself(
    open_connections: Open, ask: Callable[[str], str]
) -> None:
    async with open_connections() as connections, connections.acquire() as connection:
        await connection.execute(text("insert into tickets (subject) values ('x')"))
        assert ask("select count(*) from tickets") == "1"


async def test_connections_carry_the_application_name(open_connections: Open) -> None:
    async with open_connections(application_name="mine") as connections, connections.acquire() as connection:
        assert await connection.scalar(text("show application_name")) == "mine"


@pytest.mark.parametrize("pool", ["null", "queue-pre-ping", "dispose"])
async def test_a_slow_statement_times_out(open_connections: Open, pool: str) -> None:
    async with open_connections(pool, store_timeout=0.2) as connections:
        with pytest.raises(TimeoutError, match=r"the database did not answer within 0\.2 s"):
            async with connections.acquire() as connection:
                await connection.execute(text("select pg_sleep(60)"))
        assert await backend(connections)


@pytest.mark.parametrize("pool", ["null", "queue-pre-ping", "dispose"])
async def test_a_statement_on_a_stopped_backend_times_out(open_connections: Open, pool: str) -> None:
    """A stopped backend neither answers nor closes its socket: only a timeout on the client ends the wait."""
    stopped: list[int] = []

    async def use(connections: Connections) -> None:
        async with connections.acquire() as connection:
            stopped.append((await connection.execute(text("select pg_backend_pid()"))).scalar_one())
            os.kill(stopped[0], signal.SIGSTOP)
            await connection.execute(text("select 1"))

    async with open_connections(pool, store_timeout=0.3) as connections:
        try:
            with pytest.raises(TimeoutError, match=r"the database did not answer within 0\.3 s"):
                await use(connections)
            assert await backend(connections) not in stopped
        finally:
            os.kill(stopped[0], signal.SIGCONT)


async def test_the_first_connection_runs_no_queries_of_its_own(open_connections: Open) -> None:
    asked = "select statement from pg_prepared_statements"
    async with open_connections("queue") as connections, connections.acquire() as connection:
        assert (await connection.execute(text(asked))).scalars().all() == [asked]
        assert connection.dialect.server_version_info >= (14,)


async def test_an_error_of_the_caller_is_raised_unchanged(open_connections: Open) -> None:
    async with open_connections() as connections:
        with pytest.raises(TimeoutError, match="of my own"):
            async with connections.acquire():
                raise TimeoutError("of my own")


async def test_a_connection_is_handed_to_the_next_waiting_caller_and_then_closed(
    open_connections: Open, settled: Callable[[str, int], int]
) -> None:
    async with open_connections("null", application_name="handing-on") as connections:
        backends = await asyncio.gather(*(backend(connections) for _ in range(10)))
        assert len(set(backends)) == 1
        assert await backend(connections) not in backends
    assert settled("handing-on", 0) == 0


async def test_share_connection_keeps_one_connection_until_the_end(
    open_connections: Open, settled: Callable[[str, int], int]
) -> None:
    async with open_connections("null", application_name="sharing") as connections:
        async with connections.share_connection():
            first = await backend(connections)
            async with connections.share_connection():
                assert await backend(connections) == first
            assert await backend(connections) == first
        assert settled("sharing", 0) == 0


async def test_share_connection_checks_out_once(open_connections: Open) -> None:
    async with open_connections("queue-recycle") as connections:
        first = await backend(connections)
        assert await backend(connections) != first
        async with connections.share_connection():
            second = await backend(connections)
            assert await backend(connections) == second


async def test_share_connection_drops_a_connection_that_failed(open_connections: Open) -> None:
    async with open_connections("null") as connections, connections.share_connection():
        first = await backend(connections)
        with pytest.raises(Exception, match="division by zero"):
            async with connections.acquire() as connection:
                await connection.execute(text("select 1 / 0"))
        assert await backend(connections) != first


async def test_closing_a_kept_connection_times_out_when_the_server_is_silent(open_connections: Open) -> None:
    stopped: list[int] = []
    try:
        async with asyncio.timeout(10), open_connections("null", store_timeout=0.3) as connections:
            async with connections.share_connection():
                stopped.append(await backend(connections))
                os.kill(stopped[0], signal.SIGSTOP)
            assert await backend(connections) not in stopped
    finally:
        for process in stopped:
            os.kill(process, signal.SIGCONT)


async def test_a_failed_connection_is_not_handed_to_a_waiting_caller(open_connections: Open) -> None:
    seen: list[int] = []

    async def fail(connections: Connections) -> None:
        async with connections.acquire() as connection:
            seen.append((await connection.execute(text("select pg_backend_pid()"))).scalar_one())
            await connection.execute(text("select 1 / 0"))

    async with open_connections("null") as connections:
        failed, after = await asyncio.gather(fail(connections), backend(connections), return_exceptions=True)
    assert isinstance(failed, Exception)
    assert isinstance(after, int)
    assert after not in seen


async def test_a_connection_kept_for_a_cancelled_caller_is_closed(
    open_connections: Open, settled: Callable[[str, int], int]
) -> None:
    async with open_connections("null", application_name="given-up") as connections:
        async with connections.acquire():
            waiter = asyncio.create_task(backend(connections))
            await asyncio.sleep(0)
        waiter.cancel()
        await asyncio.wait([waiter])
    assert waiter.cancelled()
    assert settled("given-up", 0) == 0
