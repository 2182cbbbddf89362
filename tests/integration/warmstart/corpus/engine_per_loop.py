"""An engine for each loop, kept in a dictionary, never disposed. Measured: ok, and one connection more each time."""

import asyncio
import os

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

engines = {}


async def work():
    loop = asyncio.get_running_loop()
    engine = engines.setdefault(loop, create_async_engine(os.environ["SQLALCHEMY"]))
    async with engine.connect() as connection:  # cause
        await connection.execute(text("select 1"))


def handler(_event, _context):
    asyncio.run(work())
