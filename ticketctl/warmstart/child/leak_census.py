"""The leak census: reachable objects that are bound to a closed event loop, with their names and lines.

It collects no garbage, calls nothing back and replaces nothing.
"""

import sys
from collections.abc import Iterable
from itertools import pairwise
from types import ModuleType
from typing import Any, NamedTuple
from weakref import ref

from .allocation_sites import AllocationSites
from .cancelled_tasks import CancelledTask, CancelledTaskRecorder
from .ipc import DefinitionInfo, LeftoverInfo
from .loop_bound import (
    LoopBoundObject,
    find_live_objects,
    find_loop_bound,
    is_known_closed,
    peer_address,
    socket_of,
)
from .referrers import Path, ReferrerSearch, identity
from .user_code import Place, await_chain, coroutine_name

CONNECTION_KINDS = ("transport", "socket")
INTERNAL_MODULES = {
    "builtins",
    "collections",
    "asyncio",
    "_asyncio",
    "uvloop",
    "anyio",
    "types",
    "ssl",
    "functools",
}
"""Modules whose objects do not tell a reader whose connection it is."""

Found = tuple[LoopBoundObject, Path]


class PendingTask(NamedTuple):
    """An unfinished task: its coroutine, the user's line where it is suspended, and the coroutine's function."""

    coroutine: str
    line: str | None
    definition: DefinitionInfo | None


class LeakCensus:
    """Takes the census of one process. Each object is reported once.

    `unclosed_loops`: for each loop that the last census found neither closed nor running, the line that created it.
    `pending_tasks`: the unfinished tasks on such loops.
    """

    def __init__(self, sites: AllocationSites) -> None:
        self._sites = sites
        self._reported: set[tuple[int, int]] = set()
        self._garbage: set[tuple[int, int]] = set()
        self.unclosed_loops: list[str | None] = []
        self.pending_tasks: list[PendingTask] = []
        self._recorder = CancelledTaskRecorder()
        self._recorder.install()

    def take(self, *, describe: bool = True) -> list[LeftoverInfo]:
        """Return what was not reported before. Unless `describe`, only count: the search for referrers takes long."""
        asyncio = sys.modules.get("asyncio")
        if asyncio is None:
            return []
        self._recorder.install()
        cancelled = [
            self._describe_cancelled(task) for task in self._recorder.take() if self._is_users(task.places)
        ]
        live = find_live_objects(asyncio)
        self.unclosed_loops = [self._sites.loops.line(loop) for loop in live.loops if _is_left_open(loop)]
        self.pending_tasks = [
            self._describe_pending(task.get_coro())
            for task in live.tasks
            if not task.done() and _is_left_open(task.get_loop())
        ]
        if not describe:
            return cancelled
        candidates = find_loop_bound(asyncio, live, self._sites)
        bound = [one for one in candidates if self._key(one) not in self._garbage]
        new = {self._key(one) for one in bound} - self._reported
        self._reported |= new
        if not new:
            return cancelled
        return cancelled + self._describe_reachable(
            bound, new, [live, *live, candidates, *candidates], live.tasks
        )

    def _describe_reachable(
        self,
        bound: list[LoopBoundObject],
        new: set[tuple[int, int]],
        containers: list[Any],
        tasks: list[Any],
    ) -> list[LeftoverInfo]:
        """Describe those of the new objects that something still keeps. `containers` are the census's own."""
        search = ReferrerSearch(
            [one.object for one in bound], [bound, *containers], tasks, self._is_users_module
        )
        search.run()
        kept = [one for one in bound if search.is_reachable(one.object) or self._is_users_task(one)]
        # Nothing keeps the others, and nothing will. To search for their referrers after each invocation would take
        # the longer the more garbage there is, as the collector is off.
        self._garbage |= set(map(self._key, bound)) - set(map(self._key, kept))
        found = [(one, search.path(one.object)) for one in kept]
        shown = _drop_parts([pair for pair in found if not _is_cached_under_its_loop(*pair)])
        return [self._describe(one, path) for one, path in shown if self._key(one) in new]

    def _key(self, one: LoopBoundObject) -> tuple[int, int]:
        return identity(one.object), self._sites.loops.number(one.loop)

    def _is_users(self, places: list[Place]) -> bool:
        """Whether a coroutine's outermost frame is the user's own code."""
        return bool(places) and self._sites.user_code.name(places[-1][0]) is not None

    def _users_files(self) -> list[tuple[str, str]]:
        modules: list[Any] = list(sys.modules.values())
        files = {file for module in modules if isinstance(file := getattr(module, "__file__", None), str)}
        return sorted((file, shown) for file in files if (shown := self._sites.user_code.name(file)))

    def _is_users_module(self, module: ModuleType) -> bool:
        return self._sites.user_code.name(getattr(module, "__file__", None) or "") is not None

    def _is_users_task(self, one: LoopBoundObject) -> bool:
        """Whether it is a task of the user's code: its work is lost even if nothing keeps the task."""
        return one.kind == "task" and self._is_users(await_chain(one.object.get_coro()))

    def _describe(self, one: LoopBoundObject, path: Path) -> LeftoverInfo:
        connection = socket_of(one.object)
        site = self._sites.of_socket(connection.fileno()) if connection is not None else None
        coroutine = coroutine_name(one.object.get_coro()) if one.kind == "task" else None
        suspended_at = await_chain(one.object.get_coro() if one.kind == "task" else one.object)
        return {
            "kind": one.kind,
            "type": _type_name(_representative(one, path))
            if coroutine is None
            else f"asyncio.Task({coroutine})",
            "owner": "".join(step.name for step in path) or None,
            "peer": peer_address(one.object, connection),
            "line": (site and site.line)
            or self._line_of(connection)
            or self._sites.user_code.line(suspended_at),
            "loop": self._sites.loops.number(one.loop),
            "definition": self._sites.user_code.definition(path)
            if coroutine is None
            else self._coroutine_function(coroutine, suspended_at),
            "elsewhere": [] if coroutine is None else self._users_files(),
        }

    def _line_of(self, connection: Any | None) -> str | None:
        return None if connection is None else self._sites.line_of_descriptor(connection.fileno())

    def _describe_pending(self, coroutine: Any) -> PendingTask:
        name, places = coroutine_name(coroutine), await_chain(coroutine)
        return PendingTask(name, self._sites.user_code.line(places), self._coroutine_function(name, places))

    def _describe_cancelled(self, task: CancelledTask) -> LeftoverInfo:
        return {
            "kind": "cancelled task",
            "type": f"asyncio.Task({task.coroutine})",
            "owner": None,
            "peer": None,
            "line": self._sites.user_code.line(task.places),
            "loop": self._sites.loops.number(task.loop),
            "definition": self._coroutine_function(task.coroutine, task.places),
            "elsewhere": self._users_files(),
        }

    def _coroutine_function(self, name: str, places: list[Place]) -> DefinitionInfo | None:
        if not self._is_users(places):
            return None
        return self._sites.user_code.name_in_file(places[-1][0], [name.rpartition(".")[2]])


def _is_left_open(loop: Any) -> bool:
    return not loop.is_closed() and not loop.is_running()


def _is_cached_under_its_loop(one: LoopBoundObject, path: Path) -> bool:
    """Whether a dictionary keeps it under its own loop as the key: then no other loop gets it."""
    for holder, part in pairwise(path):
        if type(holder.object) is dict:
            keys = [key for key, value in holder.object.items() if value is part.object]
            if any(_is_loop(part, one.loop) for key in keys for part in _key_parts(key)):
                return True
    return False


def _key_parts(key: Any) -> Iterable[Any]:
    """Return the parts of a key: functools' caches make a tuple of the arguments."""
    return key if isinstance(key, tuple) else (key,)


def _is_loop(part: Any, loop: Any) -> bool:
    return part is loop or (isinstance(part, ref) and part() is loop)


def _drop_parts(found: list[Found]) -> list[Found]:
    """Keep one object for each connection, its transport; drop what contains it, and what is a part of another."""
    connections = [pair for pair in found if pair[0].kind in CONNECTION_KINDS]
    holders = {identity(step.object) for _, path in connections for step in path}
    others = [
        pair
        for pair in found
        if pair[0].kind not in CONNECTION_KINDS and identity(pair[0].object) not in holders
    ]
    every = {identity(one.object) for one, _ in found} | {
        identity(_representative(*pair)) for pair in connections
    }
    outer = {identity(one.object) for one, _ in connections}
    return [
        *(pair for pair in connections if not _leads_through(pair, outer)),
        *(
            pair
            for pair in others
            if not _leads_through(pair, every)
            and not _is_internal_future(*pair)
            and not _is_part_of_closed(*pair)
        ),
    ]


def _is_internal_future(one: LoopBoundObject, path: Path) -> bool:
    """Whether it is a future that an object of asyncio keeps; that object is reported if anything is wrong with it."""
    holders = [step.object for step in path[:-1] if type(step.object) is not dict]
    return one.kind == "future" and bool(holders) and _top_module(holders[-1]) == "asyncio"


def _is_part_of_closed(one: LoopBoundObject, path: Path) -> bool:
    """Whether it is a part of something that was closed, such as the connection of a response that is kept."""
    return one.kind in ("primitive", "future") and any(is_known_closed(step.object) for step in path[1:-1])


def _leads_through(pair: Found, others: set[int]) -> bool:
    return any(identity(step.object) in others for step in pair[1][:-1])


def _representative(one: LoopBoundObject, path: Path) -> Any:
    """Return the object whose type is shown: for a connection, its nearest owner that is not internal to a loop."""
    if one.kind not in CONNECTION_KINDS:
        return one.object
    for step in path[-2:0:-1]:
        if _top_module(step.object) not in INTERNAL_MODULES:
            return step.object
    return one.object


def _top_module(one: Any) -> str:
    return type(one).__module__.partition(".")[0]


def _type_name(one: Any) -> str:
    kind = type(one)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
