"""One aiohttp session for all invocations, made by the first.

Measured: ok, then RuntimeError "Event loop is closed", for good.
"""

import asyncio
import os

import aiohttp

session = None


async def work():
    global session
    if session is None:
        session = aiohttp.ClientSession()
    async with session.get(os.environ["HTTP"]) as response:  # cause
        return response.status


def handler(_event, _context):
    return asyncio.run(work())
