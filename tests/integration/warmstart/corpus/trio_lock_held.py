"""A lock that the first run does not release. Measured: ok, then BrokenResourceError for ever."""

import trio

lock = trio.Lock()


async def work():
    with trio.fail_after(1):
        await lock.acquire()  # cause


def handler(_event, _context):
    trio.run(work)
