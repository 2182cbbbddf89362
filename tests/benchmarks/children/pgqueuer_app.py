"""No-op jobs for pgqueuer: `pgqueuer_app.py URL install`, `... URL enqueue NUMBER`, `... URL work`.

Its connection autocommits, as pgqueuer's own examples set it up; it dequeues in batches of its default size.
"""

import asyncio
import sys
from datetime import timedelta

import asyncpg
from pgqueuer import AsyncpgDriver, PgQueuer, Queries
from pgqueuer.models import Job
from pgqueuer.types import QueueExecutionMode

JOB = "nothing"


async def main(url: str, command: str, number: int) -> None:
    """Carry out one command."""
    connection = await asyncpg.connect(url)
    driver = AsyncpgDriver(connection)
    if command == "install":
        await Queries(driver).install()
    elif command == "enqueue":
        await Queries(driver).enqueue([JOB] * number, [None] * number, [0] * number)
    else:
        await work(PgQueuer(driver))
    await connection.close()


async def work(application: PgQueuer) -> None:
    """Process jobs until none is left."""

    @application.entrypoint(JOB)
    async def nothing(job: Job) -> None:
        """Do nothing."""

    await application.qm.run(mode=QueueExecutionMode.drain, dequeue_timeout=timedelta(seconds=1))


asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if sys.argv[3:] else 0))
