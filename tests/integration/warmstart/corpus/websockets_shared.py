"""One websocket for all invocations. Measured: ok, then RuntimeError "attached to a different loop" for ever."""

import asyncio
import os

import websockets

connection = None


async def work():
    global connection
    if connection is None:
        connection = await websockets.connect(os.environ["WEBSOCKET"], proxy=None)  # cause
    await connection.send("hello")
    return await connection.recv()


def handler(_event, _context):
    return asyncio.run(work())
