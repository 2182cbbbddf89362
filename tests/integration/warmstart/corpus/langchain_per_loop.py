"""A ChatOpenAI for each loop; the library keeps one HTTP client for all. Measured: ok, RuntimeError, ok, and so on."""

import asyncio
import os

from langchain_openai import ChatOpenAI


async def work():
    model = ChatOpenAI(model="m", api_key="k", base_url=os.environ["JSON"], max_retries=0)
    return (await model.ainvoke("hi")).content  # cause


def handler(_event, _context):
    return asyncio.run(work())
