"""Powertools' AsyncBatchProcessor, with an httpx client in a module's global.

It keeps one loop where LAMBDA_TASK_ROOT is set. Measured: ok five times; without that variable it runs a loop for
each batch, and every other batch fails with RuntimeError "Event loop is closed".
"""

import os

import httpx
from aws_lambda_powertools.utilities.batch import (
    AsyncBatchProcessor,
    EventType,
    async_process_partial_response,
)

client = httpx.AsyncClient()
processor = AsyncBatchProcessor(event_type=EventType.SQS)


async def work(record):  # noqa: ARG001 its name is part of the interface
    response = await client.get(os.environ["HTTP"])  # cause
    return response.status_code


def handler(event, context):
    return async_process_partial_response(event, work, processor, context=context)
