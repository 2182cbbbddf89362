"""An asyncpg pool in a module's global.

Measured: ok, then InterfaceError "another operation is in progress", then RuntimeError "Event loop is closed" for
good, and one connection more each time.
"""

import asyncio
import os

import asyncpg

pool = None


async def work():
    global pool
    if pool is None:
        pool = await asyncpg.create_pool(os.environ["POSTGRES"], min_size=1, max_size=2)  # cause
    return await pool.fetchval("select 1")


def handler(_event, _context):
    return asyncio.run(work())
