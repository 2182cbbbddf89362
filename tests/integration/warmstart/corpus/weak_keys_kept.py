"""A weak dictionary by event loop, whose values refer to their loop. Measured: one closed loop more each time."""

import asyncio
import weakref

limits = weakref.WeakKeyDictionary()  # cause


async def one():
    limit = limits.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(1))
    async with limit:
        await asyncio.sleep(0)  # the other one waits, which binds the semaphore to the loop


async def work():
    await asyncio.gather(one(), one())


def handler(_event, _context):
    asyncio.run(work())
