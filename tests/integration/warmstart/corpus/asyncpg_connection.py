"""One asyncpg connection, opened by the first invocation and kept.

Measured: ok, then RuntimeError "attached to a different loop", then InterfaceError "another operation is in progress".
"""

import asyncio
import os

import asyncpg

connection = None


async def work():
    global connection
    if connection is None:
        connection = await asyncpg.connect(os.environ["POSTGRES"])  # cause
    return await connection.fetchval("select 1")


def handler(_event, _context):
    return asyncio.run(work())
