"""One aiobotocore client for all invocations.

Measured: ok, then HTTPClientError "... Event loop is closed", for good.
"""

import asyncio
import os
from contextlib import AsyncExitStack

from aiobotocore.session import get_session

stack = AsyncExitStack()
client = None


async def work():
    global client
    if client is None:
        client = await stack.enter_async_context(
            get_session().create_client(
                "s3", endpoint_url=os.environ["HTTP"], aws_access_key_id="a", aws_secret_access_key="b"
            )
        )
    answer = await client.head_bucket(Bucket="things")  # cause
    return answer["ResponseMetadata"]["HTTPStatusCode"]


def handler(_event, _context):
    return asyncio.run(work())
