"""A psycopg pool in a module's global, opened by the first invocation.

Measured: ok five times on one connection, which psycopg binds to no loop; but the tasks that mind the pool have died
with theirs, so that the invocation after the server closed the connection gets PoolTimeout.
"""

import asyncio
import os

from psycopg_pool import AsyncConnectionPool

pool = AsyncConnectionPool(os.environ["POSTGRES"], min_size=1, max_size=2, open=False, timeout=2)  # cause


async def work():
    await pool.open(wait=True)
    async with pool.connection() as connection:
        await connection.execute("select 1")


def handler(_event, _context):
    asyncio.run(work())
