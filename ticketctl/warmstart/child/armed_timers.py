"""Timers that an invocation leaves armed and that go off in a later one: signals, callbacks, threads and tasks."""

import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from .ipc import TimerInfo
from .loop_bound import find_live_objects
from .user_code import UserCode, await_chain, coroutine_name, walk_stack

TRANSPORTS = frozenset({"socket", "ssl"})
"""Modules whose functions wait for a peer: what ends the wait is no timer."""


class ArmedTimer(NamedTuple):
    """A timer: its description, and a function that says whether it has gone off."""

    info: TimerInfo
    has_fired: Callable[[], bool]


class ArmedTimers:
    """Finds armed timers, and later which of them have gone off. Records who sets the process's interval timer."""

    def __init__(self, user_code: UserCode) -> None:
        self._user_code = user_code
        self._timers: list[ArmedTimer] = []
        self._signal_line: str | None = None
        for name in ("setitimer", "alarm"):
            if hasattr(signal, name):
                self._wrap(name)

    def find(self) -> list[TimerInfo]:
        """Find the timers that are armed now."""
        self._timers = [*self._signal_timers(), *self._loop_timers(), *self._threads()]
        return [timer.info for timer in self._timers]

    def check(self) -> list[TimerInfo]:
        """Return the timers of the last `find`, with `fired` set where they have gone off since."""
        return [{**timer.info, "fired": timer.has_fired()} for timer in self._timers]

    def _wrap(self, name: str) -> None:
        original = getattr(signal, name)

        def arm(*arguments: Any) -> Any:
            self._signal_line = self._user_code.line(walk_stack(sys._getframe(1)))  # noqa: SLF001 the only way to the caller's frame
            return original(*arguments)

        setattr(signal, name, arm)

    def _signal_timers(self) -> list[ArmedTimer]:
        if not hasattr(signal, "getitimer"):
            return []
        seconds, interval = signal.getitimer(signal.ITIMER_REAL)
        if not seconds:
            return []
        handler = signal.getsignal(signal.SIGALRM)
        due = time.monotonic() + seconds
        info = _info("signal", getattr(handler, "__qualname__", "SIGALRM"), self._signal_line, seconds)
        return [
            ArmedTimer(
                info,
                lambda: (
                    time.monotonic() > due
                    if interval
                    else signal.getitimer(signal.ITIMER_REAL)[0] == 0 and time.monotonic() > due
                ),
            )
        ]

    def _loop_timers(self) -> list[ArmedTimer]:
        """Return callbacks of the user's code, and suspended tasks, on loops that live on."""
        asyncio = sys.modules.get("asyncio")
        if asyncio is None:
            return []
        live = find_live_objects(asyncio)
        timers = []
        latest: dict[Any, float] = {}
        for loop in live.loops:
            if loop.is_closed() or loop.is_running():
                continue
            handles = [handle for handle in getattr(loop, "_scheduled", ()) if not handle.cancelled()]
            latest[loop] = max((handle.when() - loop.time() for handle in handles), default=0.0)
            for handle in handles:
                code = getattr(getattr(handle, "_callback", None), "__code__", None)
                if code is None or not (name := self._user_code.name(code.co_filename)):
                    continue
                line = f"{name}:{code.co_firstlineno}"
                info = _info(
                    "callback", getattr(code, "co_qualname", code.co_name), line, handle.when() - loop.time()
                )
                timers.append(ArmedTimer(info, partial(_has_run, handle)))
        for task in live.tasks:
            chain = [] if task.done() else await_chain(task.get_coro())
            suspended_at = self._user_code.line(chain)
            if suspended_at and task.get_loop() in latest:
                info = _info("task", coroutine_name(task.get_coro()), suspended_at, latest[task.get_loop()])
                timers.append(ArmedTimer(info, task.done))
        return timers

    def _threads(self) -> list[ArmedTimer]:
        """Return the threads that run the user's code, which sleep or wait, but not for a peer."""
        frames = sys._current_frames()  # noqa: SLF001 there is no other way to other threads' stacks
        timers = []
        for thread in threading.enumerate():
            frame = frames.get(thread.ident or 0)
            if (
                thread is threading.main_thread()
                or frame is None
                or frame.f_globals.get("__name__") in TRANSPORTS
            ):
                continue
            function = getattr(thread, "function", None) or getattr(thread, "_target", None)
            code = getattr(function, "__code__", None)
            line = self._user_code.line(walk_stack(frame))
            if line is None and code is not None and (name := self._user_code.name(code.co_filename)):
                line = f"{name}:{code.co_firstlineno}"
            if line:
                info = _info("thread", thread.name, line, getattr(thread, "interval", 0.0))
                timers.append(ArmedTimer(info, partial(_has_ended, thread)))
        return timers


def _has_run(handle: Any) -> bool:
    return not handle._scheduled  # noqa: SLF001 there is no public way


def _has_ended(thread: threading.Thread) -> bool:
    return not thread.is_alive()


def _info(kind: str, name: str, line: str | None, seconds: float) -> TimerInfo:
    return {"kind": kind, "name": name, "line": line, "seconds": max(0.0, seconds), "fired": False}
