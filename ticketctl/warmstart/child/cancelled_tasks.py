"""Tasks that die with their loop: asyncio.run cancels whatever still runs, and says nothing."""

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from .user_code import awaited, coroutine_name


class CancelledTask(NamedTuple):
    """A task that was cancelled because its loop ended: its coroutine, and where it stood, innermost first."""

    coroutine: str
    loop: Any
    places: list[tuple[str, int]]


class CancelledTaskRecorder:
    """Looks on while asyncio ends loops; calls what it looks on unchanged."""

    def __init__(self) -> None:
        self._lost: list[CancelledTask] = []
        self._watching = False

    def watch(self) -> None:
        """Begin, as soon as asyncio is there; it is not imported for this."""
        runners: Any = sys.modules.get("asyncio.runners")
        if runners is not None and not self._watching:
            runners._cancel_all_tasks = self._beside(runners._cancel_all_tasks)  # noqa: SLF001 no public way
            self._watching = True

    def take(self) -> list[CancelledTask]:
        """Return the tasks that were lost since the last call."""
        lost, self._lost = self._lost, []
        return lost

    def _beside(self, cancel_all: Callable[[Any], None]) -> Callable[[Any], None]:
        def cancel_all_tasks(loop: Any) -> None:
            asyncio: Any = sys.modules["asyncio"]
            tasks = [(task, _lost(task, loop)) for task in asyncio.all_tasks(loop)]
            cancel_all(loop)
            self._lost += [lost for task, lost in tasks if task.cancelled()]

        return cancel_all_tasks


def _lost(task: Any, loop: Any) -> CancelledTask:
    coroutine = task.get_coro()
    return CancelledTask(coroutine_name(coroutine), loop, awaited(coroutine))
