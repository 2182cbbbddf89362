"""A module's anyio.Lock that two tasks want at once: it is bound to no loop. Measured: ok six times."""

import anyio
import anyio.lowlevel

lock = anyio.Lock()


async def one():
    async with lock:
        await anyio.lowlevel.checkpoint()


async def work():
    async with anyio.create_task_group() as group:
        group.start_soon(one)
        group.start_soon(one)


def handler(_event, _context):
    return anyio.run(work)
