"""How Ctrl-C and SIGTERM stop a long-running command: the first signal lets it finish, the second one cancels it."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from ticketctl.cli.rendering import output


class Stoppable(Protocol):
    """A server or poller that runs until it is stopped."""

    @property
    def is_stopping(self) -> bool:
        """Whether `stop` was called."""

    def stop(self) -> None:
        """Start nothing more, and end when the work in flight is done."""


@contextmanager
def stop_on_signals(running: Stoppable) -> Iterator[None]:
    """Stop `running` on the first SIGINT or SIGTERM; cancel the current task on the second."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def interrupt() -> None:
        if running.is_stopping and task is not None:
            task.cancel()
        else:
            output.print_message("finishing what is in flight; press Ctrl-C again to stop now")
            running.stop()

    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        loop.add_signal_handler(number, interrupt)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
