"""Many execution environments in one process, each with one ticket of those on stdin, and a provider that is slow.

Arguments: the pool, the database's URL, the application's name, seconds that a call of the provider takes, seconds in
which all environments start. Prints as JSON what failed when all have ended; the environments stay, warm, until stdin
ends.
"""

import asyncio
import json
import sys
from collections import Counter
from functools import partial

from tests.benchmarks.environment import Environment, WaitingProvider
from ticketctl import event_loops
from ticketctl.settings import Settings


async def main(pool: str, url: str, application_name: str, call: float, spread: float) -> None:
    """Start them one after the other, and wait for all."""
    settings = Settings(database_url=url, application_name=application_name, pool=pool)
    ticket_ids = json.loads(await asyncio.to_thread(sys.stdin.readline))
    provider = WaitingProvider(partial(asyncio.sleep, call))
    environments = [Environment(settings, provider) for _ in ticket_ids]

    async def live(number: int) -> str:
        await asyncio.sleep(spread * number / len(environments))
        try:
            await environments[number].process([ticket_ids[number]])
        except Exception as error:  # noqa: BLE001 - whatever it is, it is counted
            return f"{type(error).__name__}: {error}"
        return "ok"

    outcomes = await asyncio.gather(*map(live, range(len(environments))))
    sys.stdout.write(json.dumps(Counter(outcomes)) + "\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    event_loops.run(main(*sys.argv[1:4], *map(float, sys.argv[4:])))
