"""No-op jobs for procrastinate: `JOBS_URL=... python procrastinate_app.py NUMBER` enqueues that many."""

import os
import sys

import procrastinate

app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=os.environ["JOBS_URL"]))


@app.task(name="nothing")
async def nothing(number: int) -> None:
    """Do nothing."""


async def enqueue(number: int) -> None:
    """Enqueue jobs in one statement."""
    async with app.open_async():
        await nothing.batch_defer_async(*({"number": n} for n in range(number)))


if __name__ == "__main__":
    import asyncio

    asyncio.run(enqueue(int(sys.argv[1])))
