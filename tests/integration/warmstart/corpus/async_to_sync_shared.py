"""One httpx client below async_to_sync. Measured: ok, RuntimeError "Event loop is closed", ok, the same again."""

import os

import httpx
from asgiref.sync import async_to_sync

client = httpx.AsyncClient()


async def work():
    response = await client.get(os.environ["HTTP"])  # cause
    return response.status_code


def handler(_event, _context):
    return async_to_sync(work)()
