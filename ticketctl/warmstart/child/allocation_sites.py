"""Which line of the user's code created a socket, file, thread or event loop.

An audit hook is told of sockets that are created and connected, event loops that are created and files that are opened;
it changes nothing. C libraries that open sockets by themselves (libuv, libpq) raise no audit event, so those have no
line. Python raises none for pipes and copies of descriptors, and 3.11 none for threads: os.pipe, os.dup and Thread.start
are wrapped instead.
"""

import contextlib
import os
import sys
import threading
import weakref
from collections import Counter
from types import FrameType
from typing import Any, NamedTuple

from .audit_events import subscribe
from .user_code import Place, UserCode, await_chain, walk_all_threads, walk_stack

SELF_PIPE = "_make_self_pipe"
"""The method that asyncio's loops call in their constructor: the only part of it that raises an audit event."""
SELF_PIPE_DEPTH = 6
"""Frames between the creation of a loop's socket and the loop's constructor, at most."""
LOOP_FILES = (f"asyncio{os.sep}events.py", f"asyncio{os.sep}runners.py")
"""Where the stack of a task ends and that of its loop begins."""


class Site(NamedTuple):
    """The line that connected a socket, the event loop that ran then, and the connection's number, from 1."""

    line: str | None
    loop: "weakref.ref[Any] | None"
    number: int = 0


class LoopRegistry:
    """Numbers event loops in the order in which they appear, without keeping them alive; knows who created them."""

    def __init__(self) -> None:
        self._numbers: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
        self._lines: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()
        self.count = 0

    def number(self, loop: Any) -> int:
        """Return the loop's number, from 1."""
        if loop not in self._numbers:
            self.count += 1
            self._numbers[loop] = self.count
        return self._numbers[loop]

    def register(self, loop: Any, line: str | None) -> None:
        """Record a loop that is being created."""
        self.number(loop)
        if line:
            self._lines[loop] = line

    def numbers_of_open(self) -> list[int]:
        """Return the numbers of the loops that are not closed."""
        return sorted(number for loop, number in self._numbers.items() if not loop.is_closed())

    def line(self, loop: Any) -> str | None:
        """Return the line that created the loop, where it is known."""
        return self._lines.get(loop)


class AllocationSites:
    """Records where sockets are connected, files opened and threads started; nothing unless `enabled`.

    `opened` has the connections since the owner last emptied it, each with the number of the loop that ran then;
    `threads_started` counts threads.
    """

    def __init__(self, user_code: UserCode, *, enabled: bool) -> None:
        self.user_code = user_code
        self.loops = LoopRegistry()
        self.opened: list[tuple[int, int | None]] = []
        self.threads_started = 0
        self._connections = 0
        self._sockets: dict[int, Site] = {}
        self._socket_lines: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()
        self._file_lines: dict[str, str] = {}
        self._thread_lines: weakref.WeakKeyDictionary[threading.Thread, str] = weakref.WeakKeyDictionary()
        if enabled:
            subscribe(("open",), self._record_file)
            subscribe(("socket.__new__",), self._record_socket)
            subscribe(("socket.connect",), self._record_connect)
            self._wrap_thread_start()
            self._wrap_pipe()
            self._wrap_dup()

    def of_socket(self, descriptor: int) -> Site:
        """Return where the connected socket with this descriptor was connected, as far as it is known."""
        return self._sockets.get(descriptor, Site(None, None))

    def line_of_file(self, path: str) -> str | None:
        """Return the line that opened a file last."""
        return self._file_lines.get(path)

    def line_of_descriptor(self, descriptor: int) -> str | None:
        """Return the line that created the socket with this descriptor."""
        lines = (line for one, line in list(self._socket_lines.items()) if one.fileno() == descriptor)
        return next(lines, None)

    def count_threads(self) -> Counter[str]:
        """Return how many running threads each line has started."""
        return Counter(line for thread, line in list(self._thread_lines.items()) if thread.is_alive())

    def _wrap_thread_start(self) -> None:
        original = threading.Thread.start

        def start(thread: threading.Thread) -> None:
            self.threads_started += 1
            if line := self.user_code.line(walk_stack(sys._getframe(1))):  # noqa: SLF001 the only way to the caller's frame
                self._thread_lines[thread] = line
            original(thread)

        threading.Thread.start = start  # type: ignore[method-assign,assignment]

    def _wrap_pipe(self) -> None:
        original = os.pipe

        def pipe() -> tuple[int, int]:
            ends = original()
            if line := self.user_code.line(walk_stack(sys._getframe(1))):  # noqa: SLF001 as above
                self._file_lines[descriptor_name(ends[0])] = line
            return ends

        os.pipe = pipe

    def _wrap_dup(self) -> None:
        original = os.dup

        def dup(descriptor: int, /) -> int:
            copy = original(descriptor)
            if line := self.user_code.line(walk_stack(sys._getframe(1))):  # noqa: SLF001 as above
                self._file_lines[descriptor_name(copy)] = line
            return copy

        os.dup = dup

    def _record_file(self, event: str, arguments: tuple[Any, ...], frame: FrameType) -> None:  # noqa: ARG002 all take it
        path = arguments[0]
        if isinstance(path, int):
            path = descriptor_name(path)
        if not isinstance(path, str) or path.endswith((".py", ".pyc", ".so")):
            return
        if line := self.user_code.line(walk_stack(frame)):
            name = path if path.endswith("]") else os.path.abspath(path)  # noqa: PTH100 pathlib is slow, and this is often
            self._file_lines[name] = line

    def _record_socket(self, event: str, arguments: tuple[Any, ...], frame: FrameType | None) -> None:  # noqa: ARG002 as above
        """Record who creates the socket, and the loop that is being created, if its constructor creates the socket."""
        one = arguments[0]
        if type(one).__weakrefoffset__ and (line := self.user_code.line(walk_stack(frame))):
            self._socket_lines[one] = line
        for _ in range(SELF_PIPE_DEPTH):
            if frame is None or frame.f_code.co_name == SELF_PIPE:
                break
            frame = frame.f_back
        else:
            return
        if frame is not None:
            self.loops.register(frame.f_locals["self"], self.user_code.line(walk_stack(frame)))

    def _record_connect(self, event: str, arguments: tuple[Any, ...], frame: FrameType) -> None:  # noqa: ARG002 as above
        self._sockets[arguments[0].fileno()] = self._current_site(frame)

    def _current_site(self, frame: FrameType) -> Site:
        """Return the site of the connection that is being made: the task's own line, else its awaiter's."""
        loop = running_loop()
        places = list(walk_stack(frame))
        self._connections += 1
        self.opened.append((self._connections, None if loop is None else self.loops.number(loop)))
        if loop is None:
            return Site(self.user_code.line(places), None, self._connections)
        in_task = _cut_at_loop(places)
        line = (
            self.user_code.line(in_task)
            or self.user_code.line(_find_awaiter(loop, {file for file, _ in in_task}))
            or self.user_code.line(places)
            or self.user_code.line(walk_all_threads())
        )
        return Site(line, weakref.ref(loop), self._connections)


def descriptor_name(descriptor: int) -> str:
    """Return what an open descriptor stands for: a path, or the kernel's own name like `pipe:[123]`."""
    with contextlib.suppress(OSError):
        return os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115 pathlib costs its import
    return "a descriptor"


def running_loop() -> Any | None:
    """Return the loop that runs in this thread; asyncio is not imported to find out."""
    asyncio: Any = sys.modules.get("asyncio")
    return asyncio._get_running_loop() if asyncio else None  # noqa: SLF001 the public function raises


def _cut_at_loop(places: list[Place]) -> list[Place]:
    """Return the part of a stack that is inside the running task, without the frames that run the loop."""
    for number, (file, _) in enumerate(places):
        if file.endswith(LOOP_FILES):
            return places[:number]
    return places


def _find_awaiter(loop: Any, files: set[str]) -> list[Place]:
    """Return the await chain of the task that most likely awaits the running one.

    Libraries connect in tasks of their own, whose stack has no line of the user's. The awaiting task is the one whose
    chain shares the most files with the running task's.
    """
    asyncio: Any = sys.modules["asyncio"]
    chains = [await_chain(task.get_coro()) for task in asyncio.all_tasks(loop)]
    return max(chains, key=lambda chain: (len(files & {file for file, _ in chain}), len(chain)), default=[])
