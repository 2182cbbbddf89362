"""What a first invocation cannot do without: SQLAlchemy, asyncpg, and the statements on stdin, once,
each batch of them over a connection of its own.

Its argument is the database's URL. Nothing of ticketctl is imported.
"""

import asyncio
import pickle
import sys
from contextlib import closing
from functools import partial

import asyncpg
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool


async def send() -> None:
    batches = pickle.load(sys.stdin.buffer)  # noqa: S301 - the benchmark wrote it
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=partial(asyncpg.connect, sys.argv[1]),
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",
    )
    for batch in batches:
        async with engine.connect() as connection:
            for sql, parameters in batch:
                if not (await connection.exec_driver_sql(sql, parameters)).all():
                    sys.exit("the ticket was not free")


with closing(asyncio.new_event_loop()) as loop:
    loop.run_until_complete(send())
