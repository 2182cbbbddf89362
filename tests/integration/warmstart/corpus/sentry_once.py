"""Sentry as its documentation says. Measured: ok six times; its two threads serve all invocations."""

import asyncio
import os

import sentry_sdk

sentry_sdk.init(dsn=os.environ["SENTRY"], traces_sample_rate=1.0)


async def work():
    with sentry_sdk.start_transaction(name="ticket"):
        await asyncio.sleep(0)
    sentry_sdk.flush(timeout=3)


def handler(_event, _context):
    return asyncio.run(work())
