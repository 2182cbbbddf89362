"""One asyncmy pool for all invocations. Measured: ok, then RuntimeError "attached to a different loop" for ever."""

import asyncio
import os

import asyncmy

pool = None


async def work():
    global pool
    if pool is None:
        pool = await asyncmy.create_pool(host="127.0.0.1", port=int(os.environ["MYSQL"]), minsize=1)  # cause
    async with asyncio.timeout(3), pool.acquire() as connection, connection.cursor() as cursor:
        await cursor.execute("select 1")
        return (await cursor.fetchone())[0]


def handler(_event, _context):
    return asyncio.run(work())
