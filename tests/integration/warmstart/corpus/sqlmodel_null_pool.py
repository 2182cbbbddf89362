"""SQLModel sessions on an engine without a pool. Measured: ok six times, nothing left open."""

import asyncio
import os

from sqlalchemy import NullPool
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

engine = create_async_engine(os.environ["SQLALCHEMY"], poolclass=NullPool)


async def work():
    async with AsyncSession(engine) as session:
        return (await session.exec(select(1))).one()


def handler(_event, _context):
    return asyncio.run(work())
