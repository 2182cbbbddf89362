"""One OpenAI client for all invocations. Measured: ok, RuntimeError "Event loop is closed", ok, the same again."""

import asyncio
import os

import openai

client = openai.AsyncOpenAI(api_key="k", base_url=os.environ["JSON"], max_retries=0)  # cause


async def work():
    answer = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
    return answer.choices[0].message.content


def handler(_event, _context):
    return asyncio.run(work())
