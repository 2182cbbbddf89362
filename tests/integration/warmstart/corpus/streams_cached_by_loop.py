"""A cache whose key is the loop. Measured: ok five times, and one connection more each time; none is met again."""

import asyncio
import os
from functools import cache
from urllib.parse import urlsplit


@cache
def kept(_loop):
    return []


async def main():
    streams = kept(asyncio.get_running_loop())
    if not streams:
        url = urlsplit(os.environ["HTTP"])
        streams += await asyncio.open_connection(url.hostname, url.port)  # cause
    reader, writer = streams
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")


def handler(_event, _context):
    asyncio.run(main())
