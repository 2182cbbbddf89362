"""An event of an instance, cleared and awaited on each loop. Measured: ok, then RuntimeError "is bound to ..."."""

import asyncio


class Signals:
    def __init__(self):
        self.ready = asyncio.Event()  # cause


signals = Signals()


async def produce():
    await asyncio.sleep(0)
    signals.ready.set()


async def main():
    signals.ready.clear()
    async with asyncio.TaskGroup() as group:
        group.create_task(produce())
        await signals.ready.wait()


def handler(_event, _context):
    asyncio.run(main())
    return "ok"
