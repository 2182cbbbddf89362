"""Handlers that end in other ways than by returning."""

import asyncio
import ctypes
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

calls = 0


class TextlessError(Exception):
    def __str__(self):
        raise ValueError("this has no text")


async def await_forever():
    await asyncio.Event().wait()  # the line that waits


def in_second_invocation(act):
    """Return a handler that does it in the second invocation; the first one is sound."""

    def handler(_event, _context):
        global calls  # noqa: PLW0603 that it outlives an invocation is the point
        calls += 1
        return act() if calls == 2 else None

    return handler


def close_all_descriptors():
    os.closerange(3, 256)
    time.sleep(60)


def print_and_abort():
    sys.stdout.write("last words\n")
    sys.stdout.flush()
    os.abort()


def leave_a_child():
    subprocess.Popen(["sleep", "60"])
    os._exit(3)


exits = in_second_invocation(lambda: sys.exit(3))
exits_at_once = in_second_invocation(lambda: os._exit(3))
leaves_a_child = in_second_invocation(leave_a_child)
segfaults = in_second_invocation(lambda: ctypes.string_at(0))
aborts = in_second_invocation(print_and_abort)
hangs = in_second_invocation(lambda: time.sleep(60))
awaits_forever = in_second_invocation(lambda: asyncio.run(await_forever()))
waits_forever = in_second_invocation(lambda: threading.Event().wait())
closes_all_descriptors = in_second_invocation(close_all_descriptors)
returns_a_set = in_second_invocation(lambda: {1, 2})
returns_too_much = in_second_invocation(lambda: "x" * 7_000_000)
raises_without_text = in_second_invocation(lambda: (_ for _ in ()).throw(TextlessError))
interrupts = in_second_invocation(lambda: (_ for _ in ()).throw(KeyboardInterrupt))
not_callable = "a text"


async def coroutine(_event, _context):
    return None


def noisy(_event, _context):
    """Write more than any pipe holds, on both streams, and on what might be the laboratory's own."""
    for stream in (sys.stdout, sys.stderr):
        stream.write("x" * 1_000_000)
    return "done"


def reads_input(_event, _context):
    return sys.stdin.read()


def returns_context(event, context):
    return {
        "event": event,
        "remaining": context.get_remaining_time_in_millis(),
        "request": context.aws_request_id,
        "arn": context.invoked_function_arn,
        "memory": context.memory_limit_in_mb,
        "stream": context.log_stream_name,
        "environment": {
            name: os.environ.get(name) for name in ("LAMBDA_TASK_ROOT", "AWS_REGION", "_HANDLER", "MINE")
        },
        "folder": str(Path.cwd()),
        "path": sys.path[0],
        "child": [name for name in sys.path if "warmstart" in name and "handlers" not in name],
    }
