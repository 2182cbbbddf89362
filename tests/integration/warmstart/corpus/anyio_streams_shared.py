"""One stream for all runs of anyio. Measured: ok, then RuntimeError of two kinds in turn."""

import os

import anyio

stream = None


async def work():
    global stream
    if stream is None:
        stream = await anyio.connect_tcp("127.0.0.1", int(os.environ["PORT"]))  # cause
    await stream.send(b"GET / HTTP/1.1\r\n\r\n")
    return (await stream.receive()).decode()


def handler(_event, _context):
    return anyio.run(work)
