"""A forked child that returns from the handler: a second process that would answer the same invocation."""

import mmap
import os
import sys
import time

from .user_code import UserCode

WAIT = 0.25
"""Seconds in which a forked child that returns from the handler does so."""
POLL_INTERVAL = 0.005


class ForkGuard:
    """Ends forked children that return from the handler, and tells the process that they were forked from.

    The page is shared by all processes that are forked: a child sets its first byte before it ends.
    """

    def __init__(self, user_code: UserCode) -> None:
        self._user_code = user_code
        self._pid = os.getpid()
        self._page = mmap.mmap(-1, mmap.PAGESIZE)
        self.line: str | None = None
        self._has_forked = False
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self._record)

    def end_forked_child(self) -> None:
        """End this process if it is a forked child; called when the handler has returned."""
        if os.getpid() != self._pid:
            self._page[0] = 1
            os._exit(0)

    def has_returned(self) -> bool:
        """Whether a forked child has returned from the handler in this invocation."""
        if not self._has_forked:
            return False
        self._has_forked = False
        deadline = time.monotonic() + WAIT
        while self._page[0] == 0 and time.monotonic() < deadline:
            time.sleep(POLL_INTERVAL)
        return self._page[0] == 1

    def _record(self) -> None:
        """Note a fork by the user's own code; multiprocessing's children never return to it."""
        caller = sys._getframe(1)  # noqa: SLF001 the only way to the caller's frame
        if name := self._user_code.name(caller.f_code.co_filename):
            self.line = f"{name}:{caller.f_lineno}"
            self._has_forked = True
