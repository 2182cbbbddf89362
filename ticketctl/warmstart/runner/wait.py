"""How many connections a server still has, after it has noticed those that the client closed."""

import asyncio

from ticketctl.warmstart.runner.experiment import ConnectionMonitor

TIMEOUT = 0.5
"""Seconds in which a backend ends after its client closed the connection."""
POLL_INTERVAL = 0.003


async def wait_for_closed_connections(server: ConnectionMonitor, *, at_most: int) -> int:
    """Return the environment's connections on the server, after those without a socket have ended.

    `at_most` is the number of sockets that the process has: as soon as the server has no more, its answer is final.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + TIMEOUT
    while (count := await server.connections()) > at_most and loop.time() < deadline:  # noqa: ASYNC110 the server sends no notice when a backend ends
        await asyncio.sleep(POLL_INTERVAL)
    return count
