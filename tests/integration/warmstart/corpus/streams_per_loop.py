"""The standard library's streams, closed before the loop ends. Measured: ok five times, nothing left open."""

import asyncio
import os
from urllib.parse import urlsplit


async def ask():
    url = urlsplit(os.environ["HTTP"])
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    try:
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return (await reader.read()).decode()
    finally:
        writer.close()
        await writer.wait_closed()


def handler(_event, _context):
    return asyncio.run(ask())[:12]
