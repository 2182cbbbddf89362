"""A protocol of the handler's own on a socket and add_reader: no transport, no stream, no library.

The first invocation opens it, the others do not use it. Measured: ok five times; the next question gets
RuntimeError "is bound to a different event loop" from the queue, and the reader is gone with its loop.
"""

import asyncio
import os
import socket
from urllib.parse import urlsplit


class Client:
    def __init__(self):
        self.socket = None
        self.answers = asyncio.Queue()

    async def open(self, url):
        loop = asyncio.get_running_loop()
        self.socket = socket.socket()
        self.socket.setblocking(False)
        await loop.sock_connect(self.socket, (url.hostname, url.port))  # cause
        loop.add_reader(self.socket, lambda: self.answers.put_nowait(self.socket.recv(4096)))

    async def ask(self):
        self.socket.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return (await self.answers.get())[:12].decode()


client = Client()


async def work(event):
    if client.socket is None:
        await client.open(urlsplit(os.environ["HTTP"]))
        return await client.ask()
    return await client.ask() if event.get("ask") else ""


def handler(event, _context):
    return asyncio.run(work(event))
