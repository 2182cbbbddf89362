"""Where tasks are suspended in a process that hangs. faulthandler prints stacks, and a suspended task is on none."""

import os
import signal
import sys
from types import FrameType

from .loop_bound import find_live_objects
from .user_code import await_chain

SIGNAL = signal.SIGUSR2
"""The signal that the laboratory sends before it ends a process that hangs."""


def install() -> None:
    """Print all suspended tasks when the signal arrives, in faulthandler's form, once the main thread runs Python."""
    signal.signal(SIGNAL, _print_tasks)


def _print_tasks(_number: int, _frame: FrameType | None) -> None:
    asyncio = sys.modules.get("asyncio")
    for task in find_live_objects(asyncio).tasks if asyncio else ():
        if not task.done():
            chain = await_chain(task.get_coro())
            lines = [f'  File "{file}", line {line} in a task\n' for file, line in chain]
            os.write(2, "".join(["A task waits (innermost frame first):\n", *lines]).encode(errors="replace"))
