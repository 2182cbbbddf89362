"""A connection that a cache keeps, and that only one event in six needs: nothing has failed yet.

Measured: ok five times; the next event that asks upstream gets RuntimeError "attached to a different loop".
"""

import asyncio
import functools
import os
from urllib.parse import urlsplit


@functools.cache
def upstream():
    return {}


async def work(event):
    if not event.get("ask"):
        return
    if not upstream():
        url = urlsplit(os.environ["HTTP"])
        upstream()["streams"] = await asyncio.open_connection(url.hostname, url.port)  # cause
    reader, writer = upstream()["streams"]
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")


def handler(event, _context):
    asyncio.run(work(event))
