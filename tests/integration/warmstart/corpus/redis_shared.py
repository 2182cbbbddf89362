"""One redis client for all invocations. Measured: ok, RuntimeError "Event loop is closed", ok, the same again."""

import asyncio
import os

import redis.asyncio

client = redis.asyncio.Redis.from_url(os.environ["REDIS"])


async def work():
    return await client.incr("calls")  # cause


def handler(_event, _context):
    return asyncio.run(work())
