"""A hostile client of `serve`: each attack holds or sends what it can for a few seconds, in a process of its own.

`python rogue_client.py PORT TOKEN ATTACK SECONDS` prints "attacking" when the attack has begun, then keeps on.
"""

import asyncio
import json
import resource
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from itertools import count
from typing import Any

CONNECTIONS = 1100
MEMBERS = 230_000


class Rogue:
    """Attacks one port of this machine; `token` is known to the server, or empty."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._authorization = f"Authorization: Bearer {token}\r\n" if token else ""

    def head(self, request: str = "GET /tickets", headers: str = "") -> bytes:
        return f"{request} HTTP/1.1\r\nHost: localhost\r\n{self._authorization}{headers}\r\n".encode()

    def post(self, headers: str) -> bytes:
        return self.head("POST /tickets", f"Content-Type: application/json\r\n{headers}")

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            yield reader, writer
        finally:
            writer.close()

    async def idle(self) -> None:
        async with self.connect() as (reader, _):
            await reader.read()

    async def drip_headers(self) -> None:
        await self._drip(self.head()[:-2] + b"X-Header: ")

    async def drip_body(self) -> None:
        await self._drip(self.post("Content-Length: 2000000\r\n") + b'{"subject": "')

    async def _drip(self, begin: bytes) -> None:
        async with self.connect() as (_, writer):
            writer.write(begin)
            while True:
                await asyncio.sleep(0.5)
                writer.write(b"a")
                await writer.drain()

    async def send_long_lengths(self) -> None:
        for digits in ("9" * 20, "9" * 19, "1" + "0" * 400, "0" * 100 + "9" * 20, "-1", "1e9"):
            await self._exchange(self.post(f"Content-Length: {digits}\r\n") + b'{"subject": "a"}')

    async def send_many_members(self) -> None:
        body = json.dumps({str(number): 0 for number in range(MEMBERS)}, separators=(",", ":")).encode()
        await self._exchange(self.post(f"Content-Length: {len(body)}\r\n") + body)

    async def rotate_addresses(self) -> None:
        for number in count():
            address = f"{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}.1"
            await self._exchange(self.head(headers=f"X-Forwarded-For: {address}\r\n"))

    async def pipeline(self) -> None:
        await self._exchange(self.head() * 500)

    async def never_read(self) -> None:
        async with self.connect() as (reader, writer):
            reader._transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(self.head("GET /openapi.json") * 200)
            await asyncio.Event().wait()

    async def _exchange(self, request: bytes) -> None:
        async with self.connect() as (reader, writer):
            writer.write(request)
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await reader.read()


ATTACKS: dict[str, tuple[int, Callable[[Rogue], Coroutine[Any, Any, None]]]] = {
    "idle sockets": (CONNECTIONS, Rogue.idle),
    "header drip": (CONNECTIONS, Rogue.drip_headers),
    "body drip": (CONNECTIONS, Rogue.drip_body),
    "long lengths": (4, Rogue.send_long_lengths),
    "many members": (2, Rogue.send_many_members),
    "rotating addresses": (4, Rogue.rotate_addresses),
    "pipelining": (4, Rogue.pipeline),
    "responses that are not read": (50, Rogue.never_read),
}
"""The attacks: how many clients do what at the same time."""


async def attack(rogue: Rogue, name: str, seconds: float) -> None:
    """Run an attack; a client that loses its connection begins again."""
    number, act = ATTACKS[name]

    async def repeat() -> None:
        while True:
            with suppress(OSError):
                await act(rogue)
            await asyncio.sleep(0.1)

    tasks = [asyncio.create_task(repeat()) for _ in range(number)]
    await asyncio.sleep(1)
    sys.stdout.write("attacking\n")
    sys.stdout.flush()
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    asyncio.run(attack(Rogue(int(sys.argv[1]), sys.argv[2]), sys.argv[3], float(sys.argv[4])))
