"""Where things are made: the line of the user's own code that stood on the stack, or that was being awaited.

An audit hook hears sockets being made and connected, loops being made and files opened; it changes nothing. What a C
library opens by itself (libuv's and libpq's sockets) raises no such event, so that there is no line for it. Python
3.11 raises none for threads either: their start is looked on.
"""

import contextlib
import os
import sys
import threading
import weakref
from collections import Counter
from types import FrameType
from typing import Any, NamedTuple

from .user_code import Place, UserCode, awaited, stack, threads

SELF_PIPE = "_make_self_pipe"
"""What asyncio's loops call while they are made; the one sign of life that they give to an audit hook."""
DEPTH = 6
"""Frames from a socket's birth up to the loop's."""


LOOP_FILES = (f"asyncio{os.sep}events.py", f"asyncio{os.sep}runners.py")
"""Where the stack of a task ends, and that of its loop begins."""


class Site(NamedTuple):
    """The line that opened a socket, the event loop that was running then, and how many were connected till then."""

    line: str | None
    loop: "weakref.ref[Any] | None"
    number: int = 0


class Loops:
    """Numbers event loops in the order in which they are met, without keeping them, and tells where each was made."""

    def __init__(self) -> None:
        self._numbers: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
        self._lines: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()
        self.met = 0

    def number(self, loop: Any) -> int:
        """Return the loop's number, from 1."""
        if loop not in self._numbers:
            self.met += 1
            self._numbers[loop] = self.met
        return self._numbers[loop]

    def made(self, loop: Any, line: str | None) -> None:
        """Note a loop at its birth."""
        self.number(loop)
        if line:
            self._lines[loop] = line

    def open(self) -> list[int]:
        """Return the numbers of the loops that are not closed."""
        return sorted(number for loop, number in self._numbers.items() if not loop.is_closed())

    def line(self, loop: Any) -> str | None:
        """Return the line that made the loop, where it is known."""
        return self._lines.get(loop)


class AllocationSites:
    """Remembers where sockets were connected, files opened and threads started, if it listens at all."""

    def __init__(self, source: UserCode, *, listening: bool) -> None:
        self.source = source
        self.loops = Loops()
        self.opened: list[tuple[int, int | None]] = []
        self._connected = 0
        self._sockets: dict[int, Site] = {}
        self._born: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()
        self._files: dict[str, str] = {}
        self._threads: weakref.WeakKeyDictionary[threading.Thread, str] = weakref.WeakKeyDictionary()
        if listening:
            sys.addaudithook(self._hook())
            self._look_on_threads()

    def of(self, descriptor: int) -> Site:
        """Return where the open socket was connected, as far as it was heard."""
        return self._sockets.get(descriptor, Site(None, None))

    def of_file(self, path: str) -> str | None:
        """Return the line that opened a file last."""
        return self._files.get(path)

    def of_descriptor(self, descriptor: int) -> str | None:
        """Return the line that made the socket with this descriptor."""
        made = (line for one, line in list(self._born.items()) if one.fileno() == descriptor)
        return next(made, None)

    def threads(self) -> Counter[str]:
        """Count the threads that have not ended by the lines that started them."""
        return Counter(line for thread, line in list(self._threads.items()) if thread.is_alive())

    def _hook(self) -> Any:
        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            # the hook hears everything that Python does: what it does not want must cost next to nothing
            if event == "open":
                self._opened(arguments[0])
            elif event == "socket.connect":
                self._sockets[arguments[0].fileno()] = self._site()
            elif event == "socket.__new__":
                self._made(arguments[0], sys._getframe(1))  # noqa: SLF001 the only way to the caller's frame

        return hook

    def _line(self) -> str | None:
        return self.source.line(stack(sys._getframe(2)))  # noqa: SLF001 as above

    def _look_on_threads(self) -> None:
        start = threading.Thread.start

        def noted(thread: threading.Thread) -> None:
            if line := self.source.line(stack(sys._getframe(1))):  # noqa: SLF001 as above
                self._threads[thread] = line
            start(thread)

        threading.Thread.start = noted  # type: ignore[method-assign,assignment]

    def _opened(self, path: Any) -> None:
        if isinstance(path, int):
            path = name_of(path)
        if isinstance(path, str) and not path.endswith((".py", ".pyc", ".so")) and (line := self._line()):
            name = path if path.endswith("]") else os.path.abspath(path)  # noqa: PTH100 pathlib is slow, and this is often
            self._files[name] = line

    def _made(self, one: Any, frame: FrameType | None) -> None:
        """Note who makes the socket, and the loop that is being made, if it is one that does."""
        if type(one).__weakrefoffset__ and (line := self.source.line(stack(frame))):
            self._born[one] = line
        for _ in range(DEPTH):
            if frame is None or frame.f_code.co_name == SELF_PIPE:
                break
            frame = frame.f_back
        else:
            return
        if frame is not None:
            self.loops.made(frame.f_locals["self"], self.source.line(stack(frame)))

    def _site(self) -> Site:
        loop = running_loop()
        on_stack = list(stack(sys._getframe(2)))  # noqa: SLF001 as above
        self._connected += 1
        self.opened.append((self._connected, None if loop is None else self.loops.number(loop)))
        if loop is None:
            return Site(self.source.line(on_stack), None, self._connected)
        step = _within_loop(on_stack)
        line = (
            self.source.line(step)
            or self.source.line(_awaiting(loop, {file for file, _ in step}))
            or self.source.line(on_stack)
            or self.source.line(threads())
        )
        return Site(line, weakref.ref(loop), self._connected)


def name_of(descriptor: int) -> str:
    """Return what an open descriptor stands for: a path, or the kernel's own name like `pipe:[123]`."""
    with contextlib.suppress(OSError):
        return os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115 pathlib costs its import
    return "a descriptor"


def running_loop() -> Any | None:
    """Return the loop that runs in this thread; asyncio is not imported for the question's sake."""
    asyncio: Any = sys.modules.get("asyncio")
    return asyncio._get_running_loop() if asyncio else None  # noqa: SLF001 the public one raises


def _within_loop(on_stack: list[Place]) -> list[Place]:
    """Return the part of a stack that is inside the running task, without what runs the loop."""
    for number, (file, _) in enumerate(on_stack):
        if file.endswith(LOOP_FILES):
            return on_stack[:number]
    return on_stack


def _awaiting(loop: Any, files: set[str]) -> list[Place]:
    """Return where the task stands that most likely awaits the running one.

    A library's own task stands for the user's that awaits it: the one that stands in most of the same files.
    """
    asyncio: Any = sys.modules["asyncio"]
    chains = [awaited(task.get_coro()) for task in asyncio.all_tasks(loop)]
    return max(chains, key=lambda chain: (len(files & {file for file, _ in chain}), len(chain)), default=[])
