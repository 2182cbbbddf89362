"""An AsyncElasticsearch for each loop. Measured: ok six times, nothing left open."""

import asyncio
import os

import elasticsearch


async def work():
    async with elasticsearch.AsyncElasticsearch(os.environ["JSON"], max_retries=0) as client:
        return (await client.info())["version"]["number"]


def handler(_event, _context):
    return asyncio.run(work())
