"""An engine that is disposed where all goes well, and kept where it does not.

Every other event makes the work fail after its statement; the handler catches that and answers in words. Measured:
"done", "failed", then RuntimeError "attached to a different loop".
"""

import asyncio
import os

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

engine = create_async_engine(os.environ["SQLALCHEMY"])


async def work(event):
    async with engine.connect() as connection:
        await connection.execute(text("select 1"))  # cause
    if event.get("fail"):
        raise ValueError("no such customer")
    await engine.dispose()


def handler(event, _context):
    try:
        asyncio.run(work(event))
    except ValueError:
        return "failed"
    return "done"
