"""Tasks that asyncio.run cancels because they still run when its loop ends. asyncio itself logs nothing about them."""

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from .user_code import await_chain, coroutine_name


class CancelledTask(NamedTuple):
    """A task that was cancelled at the end of its loop; `places` is where it was suspended, innermost first."""

    coroutine: str
    loop: Any
    places: list[tuple[str, int]]


class CancelledTaskRecorder:
    """Wraps the function with which asyncio cancels all tasks of a loop; what it wraps is called unchanged."""

    def __init__(self) -> None:
        self._cancelled: list[CancelledTask] = []
        self._is_installed = False

    def install(self) -> None:
        """Wrap the function, if the user's code has imported asyncio; the recorder itself never imports it."""
        runners: Any = sys.modules.get("asyncio.runners")
        if runners is not None and not self._is_installed:
            runners._cancel_all_tasks = self._wrap(runners._cancel_all_tasks)  # noqa: SLF001 there is no public hook
            self._is_installed = True

    def take(self) -> list[CancelledTask]:
        """Return the tasks that were cancelled since the last call."""
        cancelled, self._cancelled = self._cancelled, []
        return cancelled

    def _wrap(self, cancel_all: Callable[[Any], None]) -> Callable[[Any], None]:
        def cancel_all_tasks(loop: Any) -> None:
            asyncio: Any = sys.modules["asyncio"]
            # a cancelled coroutine has no frames any more: they are noted before
            tasks = [(task, _describe(task, loop)) for task in asyncio.all_tasks(loop)]
            cancel_all(loop)
            self._cancelled += [described for task, described in tasks if task.cancelled()]

        return cancel_all_tasks


def _describe(task: Any, loop: Any) -> CancelledTask:
    coroutine = task.get_coro()
    return CancelledTask(coroutine_name(coroutine), loop, await_chain(coroutine))
