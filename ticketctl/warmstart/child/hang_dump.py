"""Where the tasks of a process stand that hangs: faulthandler tells of stacks, and a task that waits is on none."""

import os
import signal
import sys
from types import FrameType

from .loop_bound import living
from .user_code import awaited

SIGNAL = signal.SIGUSR2
"""What the parent sends before it ends a process that hangs."""


def listen() -> None:
    """Tell of the tasks when the signal comes, in faulthandler's form, as soon as the main thread can."""
    signal.signal(SIGNAL, _tell)


def _tell(_number: int, _frame: FrameType | None) -> None:
    asyncio = sys.modules.get("asyncio")
    for task in living(asyncio).tasks if asyncio else ():
        if not task.done():
            lines = [f'  File "{file}", line {line} in a task\n' for file, line in awaited(task.get_coro())]
            os.write(2, "".join(["A task waits (innermost frame first):\n", *lines]).encode(errors="replace"))
