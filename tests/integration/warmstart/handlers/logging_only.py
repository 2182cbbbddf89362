"""A handler that raises nothing: its errors are only logged, warned of or printed."""

import asyncio
import gc
import logging
import threading
import warnings


async def fails():
    raise ValueError("this task is not awaited")


async def waits():
    await asyncio.sleep(60)


async def work(event):
    if event.get("unawaited"):
        waits()
    if event.get("unretrieved"):
        asyncio.get_running_loop().create_task(fails())
        await asyncio.sleep(0)
    if event.get("unclosed"):
        await asyncio.open_connection("127.0.0.1", event["port"])


def fail_in_thread():
    raise OSError("this thread is not joined")


def handler(event, _context):
    asyncio.run(work(event))
    if event.get("thread"):
        thread = threading.Thread(target=fail_in_thread)
        thread.start()
        thread.join()
    if event.get("log"):
        logger = logging.getLogger("own")
        logger.propagate = False
        logger.error("could not %s", "answer", exc_info=KeyError("id"))
    if event.get("pending"):
        loop = asyncio.new_event_loop()
        loop.create_task(waits())  # noqa: RUF006 the task must have no other reference
        loop.close()
    if event.get("warning"):
        warnings.warn("ours is deprecated", stacklevel=1)
    gc.collect()  # what is not referred to any more says so now, wherever the collector stands
