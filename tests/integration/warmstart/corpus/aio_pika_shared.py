"""One AMQP connection for all invocations. Measured: ok, then RuntimeError "Event loop is closed" for ever."""

import asyncio
import os

import aio_pika

connection = None


async def work():
    global connection
    if connection is None:
        connection = await aio_pika.connect(os.environ["AMQP"])  # cause
    channel = await connection.channel()
    await channel.default_exchange.publish(aio_pika.Message(b"hello"), routing_key="tickets", timeout=3)
    await channel.close()


def handler(_event, _context):
    return asyncio.run(work())
