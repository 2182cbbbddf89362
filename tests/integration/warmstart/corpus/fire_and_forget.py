"""A task that is not awaited. Measured: ok five times, and not one audit line is written."""

import asyncio

written = []
tasks = set()


async def audit():
    await asyncio.sleep(0.05)
    written.append("line")


async def work():
    task = asyncio.create_task(audit())  # cause
    tasks.add(task)
    task.add_done_callback(tasks.discard)


def handler(_event, _context):
    asyncio.run(work())
    return len(written)
