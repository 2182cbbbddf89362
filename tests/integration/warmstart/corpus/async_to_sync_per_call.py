"""An httpx client for each call of async_to_sync. Measured: ok six times, nothing left open."""

import os

import httpx
from asgiref.sync import async_to_sync


async def work():
    async with httpx.AsyncClient() as client:
        response = await client.get(os.environ["HTTP"])
        return response.status_code


def handler(_event, _context):
    return async_to_sync(work)()
