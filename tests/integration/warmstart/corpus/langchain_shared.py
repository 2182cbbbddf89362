"""One ChatOpenAI for all invocations. Measured: ok, RuntimeError "Event loop is closed", ok, the same again."""

import asyncio
import os

from langchain_openai import ChatOpenAI

model = ChatOpenAI(model="m", api_key="k", base_url=os.environ["JSON"], max_retries=0)


async def work():
    return (await model.ainvoke("hi")).content


def handler(_event, _context):
    return asyncio.run(work())
