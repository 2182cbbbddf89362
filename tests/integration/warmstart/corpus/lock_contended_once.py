"""A module's Lock that is contended in the cold invocation only. Measured: ok five times; the sixth, contended, fails."""

import asyncio

lock = asyncio.Lock()  # cause


async def one():
    async with lock:
        await asyncio.sleep(0)


async def work(tasks):
    await asyncio.gather(*(one() for _ in range(tasks)))


def handler(event, _context):
    asyncio.run(work(event.get("tasks", 1)))
