"""One Anthropic client for all invocations. Measured: ok, APIConnectionError "Connection error.", ok, and so on."""

import asyncio
import os

import anthropic

client = anthropic.AsyncAnthropic(api_key="k", base_url=os.environ["JSON"], max_retries=0)  # cause


async def work():
    answer = await client.messages.create(
        model="m", max_tokens=9, messages=[{"role": "user", "content": "hi"}]
    )
    return answer.content[0].text


def handler(_event, _context):
    return asyncio.run(work())
