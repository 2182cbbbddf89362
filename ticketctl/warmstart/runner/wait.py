"""What the server says, once it has noticed what the client closed."""

import asyncio

from ticketctl.warmstart.runner.experiment import ConnectionMonitor

TIMEOUT = 0.5
"""Seconds that a backend may take to go after its client closed the connection."""
PAUSE = 0.003


async def wait_for_closed_connections(server: ConnectionMonitor, *, at_most: int) -> int:
    """Return the environment's connections on the server, waiting for those to go that have no socket any more.

    `at_most` is the number of sockets that the process holds: there the server is believed at once.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + TIMEOUT
    while (count := await server.connections()) > at_most and loop.time() < deadline:  # noqa: ASYNC110 the server tells only who asks
        await asyncio.sleep(PAUSE)
    return count
