"""An asynchronous generator of a loop that was closed without shutting it down.

Measured: ok five times, and the generator's cleanup is never run.
"""

import asyncio

feed = None
cleaned = []


async def numbers():
    try:
        for number in range(1_000_000):
            await asyncio.sleep(0)
            yield number  # cause
    finally:
        cleaned.append("feed")


async def work():
    global feed
    if feed is None:
        feed = numbers()
        return await anext(feed)
    return 0


def handler(_event, _context):
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(work())
    finally:
        loop.close()
