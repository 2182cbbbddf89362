"""Mangum with an application that keeps an httpx client. Measured: status 200 five times on one connection."""

import os

import httpx
from mangum import Mangum

client = httpx.AsyncClient()


async def app(_scope, _receive, send):
    response = await client.get(os.environ["HTTP"])
    await send({"type": "http.response.start", "status": response.status_code, "headers": []})
    await send({"type": "http.response.body", "body": b"done"})


handler = Mangum(app, lifespan="off")
