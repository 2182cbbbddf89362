"""One agent, which opens a new client on each loop. Measured: ok 60 times; each time a socket for the collector."""

import asyncio
import os

from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

provider = OpenAIProvider(api_key="k", base_url=os.environ["JSON"])
agent = Agent(OpenAIChatModel("m", provider=provider))


async def work():
    return (await agent.run("hi")).output


def handler(_event, _context):
    return asyncio.run(work())
