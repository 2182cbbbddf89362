"""A redis client for each loop, closed with it. Measured: ok five times, nothing left open."""

import asyncio
import os

import redis.asyncio


async def work():
    async with redis.asyncio.Redis.from_url(os.environ["REDIS"]) as client:
        return await client.incr("calls")


def handler(_event, _context):
    return asyncio.run(work())
