"""A module's Lock that two tasks want at once. Measured: ok, then RuntimeError "is bound to a different event loop"."""

import asyncio

lock = asyncio.Lock()  # cause


async def one():
    async with lock:
        await asyncio.sleep(0)


async def work():
    await asyncio.gather(one(), one())


def handler(_event, _context):
    asyncio.run(work())
