"""An asyncpg pool in a module's global, on uvloop. Measured: ok, InterfaceError, then the process dies of SIGSEGV."""

import asyncio
import os

import asyncpg
import uvloop

pool = None


async def work():
    global pool
    if pool is None:
        pool = await asyncpg.create_pool(os.environ["POSTGRES"], min_size=1, max_size=2)  # cause
    return await pool.fetchval("select 1")


def handler(_event, _context):
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work())
