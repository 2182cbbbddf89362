"""One AsyncMongoClient for all. Measured: ok, then RuntimeError "Cannot use AsyncMongoClient in different event loop"."""

import asyncio
import os

import pymongo

client = pymongo.AsyncMongoClient(os.environ["MONGODB"], serverSelectionTimeoutMS=3000)  # cause


async def work():
    return (await client.admin.command("ping"))["ok"]


def handler(_event, _context):
    return asyncio.run(work())
