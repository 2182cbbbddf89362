"""One loop in a thread of its own, and an httpx client on it. Measured: ok five times on one connection."""

import asyncio
import os
import threading

import httpx

loop = asyncio.new_event_loop()
threading.Thread(target=loop.run_forever, daemon=True).start()
client = httpx.AsyncClient()


async def work():
    response = await client.get(os.environ["HTTP"])
    return response.status_code


def handler(_event, _context):
    return asyncio.run_coroutine_threadsafe(work(), loop).result()
