"""One pooled engine below SQLModel sessions. Measured: ok, RuntimeError, then InterfaceError for ever."""

import asyncio
import os

from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

engine = create_async_engine(os.environ["SQLALCHEMY"])  # cause


async def work():
    async with AsyncSession(engine) as session:
        return (await session.exec(select(1))).one()


def handler(_event, _context):
    return asyncio.run(work())
