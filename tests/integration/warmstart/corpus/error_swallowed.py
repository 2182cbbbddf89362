"""A module's semaphore, and an except clause that hides what comes of it. Measured: ok with 3, then with 0 for ever."""

import asyncio

limit = asyncio.Semaphore(1)  # cause


async def one(price):
    async with limit:
        await asyncio.sleep(0)
        return price


async def work():
    return sum(await asyncio.gather(one(1), one(2)))


def handler(_event, _context):
    try:
        return asyncio.run(work())
    except RuntimeError:
        return 0
