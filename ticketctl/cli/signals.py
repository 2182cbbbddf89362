"""How a command that runs for long is stopped: the first signal lets it finish, the next one does not."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from ticketctl.cli.rendering import output


class Stoppable(Protocol):
    """What runs until it is stopped."""

    @property
    def is_stopping(self) -> bool:
        """Whether it was told to stop."""

    def stop(self) -> None:
        """Begin nothing more, and end when what is in flight is done."""


@contextmanager
def stopped_by_signals(running: Stoppable) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM stop it; the second one cancels the task that this is entered in."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def interrupt() -> None:
        if running.is_stopping and task is not None:
            task.cancel()
        else:
            output.say("finishing what is in flight; once more to stop now")
            running.stop()

    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        loop.add_signal_handler(number, interrupt)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
