"""One httpx client for all invocations. Measured: ok, RuntimeError "Event loop is closed", ok, the same again."""

import asyncio
import os

import httpx

client = httpx.AsyncClient()


async def work():
    response = await client.get(os.environ["HTTP"])  # cause
    return response.status_code


def handler(_event, _context):
    return asyncio.run(work())
