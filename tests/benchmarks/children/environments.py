"""Many execution environments in one process, each with an engine of its own and one ticket of those on stdin.

Arguments: the database's URL, the application's name. Prints "waiting" when all of them wait for the provider;
the next line on stdin lets the provider answer. Environments take their turns, before the wait and after it, so
that the server is not asked for all connections at once.
"""

import asyncio
import json
import sys

from tests.benchmarks.environment import Environment, WaitingProvider
from ticketctl import event_loops
from ticketctl.settings import Settings


class _Waiter:
    """One environment that stops where it asks the provider."""

    def __init__(self, settings: Settings) -> None:
        self._asked = asyncio.Event()
        self._answer = asyncio.Event()
        self._environment = Environment(settings, WaitingProvider(self._wait))
        self._task: asyncio.Task[None] | None = None

    async def start(self, ticket_id: int) -> None:
        """Run until the provider is asked. Raises whatever the record failed with before that."""
        self._task = asyncio.create_task(self._environment.process([ticket_id]))
        asked = asyncio.create_task(self._asked.wait())
        await asyncio.wait([self._task, asked], return_when=asyncio.FIRST_COMPLETED)
        if self._task.done():
            await self._task

    async def finish(self) -> None:
        """Let the provider answer, and run to the end."""
        self._answer.set()
        if self._task is not None:
            await self._task

    async def _wait(self) -> None:
        self._asked.set()
        await self._answer.wait()


async def main(url: str, application_name: str) -> None:
    """Start them all, wait, finish them all."""
    settings = Settings(database_url=url, application_name=application_name)
    ticket_ids = json.loads(await asyncio.to_thread(sys.stdin.readline))
    waiters = [_Waiter(settings) for _ in ticket_ids]
    for waiter, ticket_id in zip(waiters, ticket_ids, strict=True):
        await waiter.start(ticket_id)
    sys.stdout.write("waiting\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    for waiter in waiters:
        await waiter.finish()


event_loops.run(main(*sys.argv[1:]))
