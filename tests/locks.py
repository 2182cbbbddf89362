"""Wait for another connection, in tests about two of them at the same moment."""

import asyncio

import asyncpg


async def wait_until_blocked(observer: asyncpg.Connection) -> None:
    """Wait until another connection waits for a row that the observer has locked."""
    # pg_locks, because a transaction sees one snapshot of pg_stat_activity
    blocked = "select exists(select from pg_locks where not granted and pg_backend_pid() = any(pg_blocking_pids(pid)))"
    async with asyncio.timeout(30):
        while not await observer.fetchval(blocked):  # noqa: ASYNC110 - the server sends no event to wait for
            await asyncio.sleep(0.01)
