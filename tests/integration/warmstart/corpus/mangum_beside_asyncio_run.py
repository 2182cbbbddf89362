"""Mangum, and a worker that calls asyncio.run in the same process. Measured: 200, then RuntimeError for good."""

import asyncio
import os

import httpx
from mangum import Mangum

client = httpx.AsyncClient()


async def app(_scope, _receive, send):
    response = await client.get(os.environ["HTTP"])
    await send({"type": "http.response.start", "status": response.status_code, "headers": []})
    await send({"type": "http.response.body", "body": b"done"})


async def work():
    await asyncio.sleep(0)


http = Mangum(app, lifespan="off")


def handler(event, context):
    answer = http(event, context)
    asyncio.run(work())
    return answer
