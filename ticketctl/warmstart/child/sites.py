"""Where things are made: the line of the user's own code that stood on the stack, or that was being awaited.

Connections are heard through an audit hook, which sees every socket's `connect` and changes nothing. Sockets that a
C library opens by itself (libuv's, libpq's) raise no such event; for those there is no line.
"""

import importlib.util
import os
import sys
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, NamedTuple

HERE = str(Path(__file__).parent)
INSTALLED = ("site-packages", "dist-packages")


class Site(NamedTuple):
    """The line that opened a socket, and the event loop that was running then."""

    line: str | None
    loop: "weakref.ref[Any] | None"


class Source:
    """Tells the user's own files from everybody else's, and names them from the folder that the user knows."""

    def __init__(self, handler_module: str, task_root: str | None) -> None:
        self._roots = [f"{root}{os.sep}" if Path(root).is_dir() else root for root in _roots(handler_module)]
        if task_root:
            self._roots.insert(0, f"{task_root}{os.sep}")
        self._base = task_root or str(Path.cwd())
        self._known: dict[str, str | None] = {}

    def name(self, filename: str) -> str | None:
        """Return the file's name as the user knows it; None where it is not the user's own."""
        if filename not in self._known:
            self._known[filename] = self._name(filename)
        return self._known[filename]

    def _name(self, filename: str) -> str | None:
        for root in self._roots:
            inside = filename.removeprefix(root)
            if filename.startswith(root) and not any(place in inside for place in INSTALLED):
                shown = filename.removeprefix(f"{self._base}{os.sep}")
                return None if filename.startswith(HERE) else shown
        return None

    def line(self, places: Iterable[tuple[str, int]]) -> str | None:
        """Return the first of the places that is in the user's own code, as `file:line`."""
        return next((f"{name}:{line}" for file, line in places if (name := self.name(file))), None)


def _roots(module: str) -> list[str]:
    spec = importlib.util.find_spec(module.partition(".")[0])
    if spec is None:
        return []
    if spec.submodule_search_locations:
        return list(spec.submodule_search_locations)
    file = Path(spec.origin or "")
    return [str(file)] if any(place in file.parts for place in INSTALLED) else [str(file.parent)]


class Loops:
    """Numbers event loops in the order in which they are met, without keeping them."""

    def __init__(self) -> None:
        self._numbers: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
        self._met = 0

    def number(self, loop: Any) -> int:
        """Return the loop's number, from 1."""
        if loop not in self._numbers:
            self._met += 1
            self._numbers[loop] = self._met
        return self._numbers[loop]


class Sites:
    """Remembers, for each descriptor, where its socket was connected."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.loops = Loops()
        self._by_descriptor: dict[int, Site] = {}

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            if event == "socket.connect":
                self._by_descriptor[arguments[0].fileno()] = self._site()

        sys.addaudithook(hook)

    def of(self, descriptor: int) -> Site:
        """Return where the open socket was connected, as far as it was heard."""
        return self._by_descriptor.get(descriptor, Site(None, None))

    def _site(self) -> Site:
        loop = running_loop()
        line = self.source.line(_stack(sys._getframe(2)))  # noqa: SLF001 the only way to the caller's frame
        if line is None and loop is not None:
            line = self.source.line(_awaited(loop))
        if line is None:
            line = self.source.line(_threads())
        if loop is None:
            return Site(line, None)
        self.loops.number(loop)
        return Site(line, weakref.ref(loop))


def running_loop() -> Any | None:
    """Return the loop that runs in this thread; asyncio is not imported for the question's sake."""
    asyncio: ModuleType | None = sys.modules.get("asyncio")
    return asyncio._get_running_loop() if asyncio else None  # noqa: SLF001 the public one raises


def _stack(frame: FrameType | None) -> Iterator[tuple[str, int]]:
    while frame is not None:
        yield frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back


def _awaited(loop: Any) -> Iterator[tuple[str, int]]:
    """Walk what the loop's other tasks wait for: a library's own task stands for the user's that awaits it."""
    for task in sys.modules["asyncio"].all_tasks(loop):
        yield from _waiting(task.get_coro())


def _waiting(coroutine: Any) -> list[tuple[str, int]]:
    places = []
    while (frame := getattr(coroutine, "cr_frame", None) or getattr(coroutine, "ag_frame", None)) is not None:
        places.append((frame.f_code.co_filename, frame.f_lineno))
        coroutine = getattr(coroutine, "cr_await", None)
    return places[::-1]


def _threads() -> Iterator[tuple[str, int]]:
    for frame in sys._current_frames().values():  # noqa: SLF001 the threads' stacks are nowhere else
        yield from _stack(frame)
