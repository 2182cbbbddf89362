"""The census: what is bound to a closed event loop and still in somebody's hands, with its names and its line.

Nothing is collected, called back or replaced.
"""

import sys
from collections.abc import Iterable
from itertools import pairwise
from types import ModuleType
from typing import Any, TypedDict
from weakref import ref

from .allocation_sites import AllocationSites
from .cancelled_tasks import CancelledTask, CancelledTaskRecorder
from .loop_bound import LoopBoundObject, candidates, is_known_closed, living, peer, socket_of
from .referrers import Path, ReferrerSearch
from .user_code import Place, awaited, coroutine_name


class DefinitionInfo(TypedDict):
    """A name in the user's source: the file's whole and shown name, and the names from the outermost inwards."""

    file: str
    shown: str
    names: list[str]


class LeftoverInfo(TypedDict):
    """Something bound to a closed loop: what it is, by what names it is reached, and from where it came.

    `definition` names what keeps it, or a task's coroutine; `line` is the line of its own making, or where it stands.
    `elsewhere`: for a task, the files of the user's own modules that may have begun it, with their shown names.
    """

    kind: str
    type: str
    owner: str | None
    peer: str | None
    line: str | None
    loop: int
    definition: DefinitionInfo | None
    elsewhere: list[tuple[str, str]]


CONNECTIONS = ("transport", "socket")
"""The kinds that stand for a connection."""
MACHINERY = {"builtins", "collections", "asyncio", "_asyncio", "uvloop", "anyio", "types", "ssl", "functools"}
"""Modules whose objects say nothing about whose connection it is."""

Found = tuple[LoopBoundObject, Path]


class LeakCensus:
    """Takes the census of one process; remembers what it has told already.

    `unclosed`: the line that made it, for each loop that the last census found neither closed nor running.
    """

    def __init__(self, sites: AllocationSites) -> None:
        self._sites = sites
        self._told: set[tuple[int, int]] = set()
        self._garbage: set[tuple[int, int]] = set()
        self.unclosed: list[str | None] = []
        self._endings = CancelledTaskRecorder()
        self._endings.watch()

    def take(self) -> list[LeftoverInfo]:
        """Return what is newly found since the last call."""
        asyncio = sys.modules.get("asyncio")
        if asyncio is None:
            return []
        self._endings.watch()
        lost = [self._lost(one) for one in self._endings.take() if self._is_own(one.places)]
        alive = living(asyncio)
        self.unclosed = [self._sites.loops.line(one) for one in alive.loops if _is_left_open(one)]
        found = candidates(asyncio, alive, self._sites)
        bound = [one for one in found if self._key(one) not in self._garbage]
        new = {self._key(one) for one in bound} - self._told
        self._told |= new
        return [*lost, *(self._tell(bound, new, [alive, *alive, found, *found], alive.tasks) if new else [])]

    def _tell(
        self, bound: list[LoopBoundObject], new: set[tuple[int, int]], containers: list[Any], tasks: list[Any]
    ) -> list[LeftoverInfo]:
        owners = ReferrerSearch(
            [one.object for one in bound], [bound, *containers], tasks, self._is_own_module
        )
        owners.trace()
        alive = owners.alive | {id(one.object) for one in bound if self._is_own_task(one)}
        # nobody has it: nobody will, and to ask for its owners again and again would take the longer the more it is
        self._garbage |= {self._key(one) for one in bound if id(one.object) not in alive}
        found = [(one, owners.path(one.object)) for one in bound if id(one.object) in alive]
        kept = _foremost([pair for pair in found if not _is_filed_under_its_loop(*pair)])
        return [self._zombie(one, path) for one, path in kept if self._key(one) in new]

    def _key(self, one: LoopBoundObject) -> tuple[int, int]:
        return id(one.object), self._sites.loops.number(one.loop)

    def _is_own(self, places: list[Place]) -> bool:
        """Whether a coroutine's outermost frame is the user's own code."""
        return bool(places) and self._sites.source.name(places[-1][0]) is not None

    def _own_files(self) -> list[tuple[str, str]]:
        modules: list[Any] = list(sys.modules.values())
        files = {file for module in modules if isinstance(file := getattr(module, "__file__", None), str)}
        return sorted((file, shown) for file in files if (shown := self._sites.source.name(file)))

    def _is_own_module(self, module: ModuleType) -> bool:
        return self._sites.source.name(getattr(module, "__file__", None) or "") is not None

    def _is_own_task(self, one: LoopBoundObject) -> bool:
        """Work that the user began and nobody will end is lost, whether or not anybody still holds it."""
        return one.kind == "task" and self._is_own(awaited(one.object.get_coro()))

    def _zombie(self, one: LoopBoundObject, path: Path) -> LeftoverInfo:
        connection = socket_of(one.object)
        site = self._sites.of(connection.fileno()) if connection is not None else None
        coroutine = coroutine_name(one.object.get_coro()) if one.kind == "task" else None
        running = awaited(one.object.get_coro() if one.kind == "task" else one.object)
        return {
            "kind": one.kind,
            "type": _type_name(_spokesman(one, path)) if coroutine is None else f"asyncio.Task({coroutine})",
            "owner": "".join(step.name for step in path) or None,
            "peer": peer(one.object, connection),
            "line": (site and site.line) or self._made(connection) or self._sites.source.line(running),
            "loop": self._sites.loops.number(one.loop),
            "definition": self._definition(path)
            if coroutine is None
            else self._coroutine(coroutine, running),
            "elsewhere": [] if coroutine is None else self._own_files(),
        }

    def _made(self, connection: Any | None) -> str | None:
        return None if connection is None else self._sites.of_descriptor(connection.fileno())

    def _lost(self, one: CancelledTask) -> LeftoverInfo:
        return {
            "kind": "cancelled task",
            "type": f"asyncio.Task({one.coroutine})",
            "owner": None,
            "peer": None,
            "line": self._sites.source.line(one.places),
            "loop": self._sites.loops.number(one.loop),
            "definition": self._coroutine(one.coroutine, one.places),
            "elsewhere": self._own_files(),
        }

    def _coroutine(self, name: str, places: list[Place]) -> DefinitionInfo | None:
        return self._named(places[-1][0], [name.rpartition(".")[2]]) if self._is_own(places) else None

    def _definition(self, path: Path) -> DefinitionInfo | None:
        if not path:
            return None
        root = path[0].object
        module = sys.modules.get(root.__module__) if isinstance(root, type) else root
        names = root.__qualname__.split(".") if isinstance(root, type) else []
        names += [step.name.lstrip(".") for step in path[1:] if step.name.startswith(".")][:1]
        return self._named(getattr(module, "__file__", None) or "", names)

    def _named(self, file: str, names: list[str]) -> DefinitionInfo | None:
        shown = self._sites.source.name(file)
        return {"file": file, "shown": shown, "names": names} if shown else None


def _is_left_open(loop: Any) -> bool:
    return not loop.is_closed() and not loop.is_running()


def _is_filed_under_its_loop(one: LoopBoundObject, path: Path) -> bool:
    """Whether a dictionary keeps it under its own loop as the key: then no other loop is handed it."""
    for holder, part in pairwise(path):
        if type(holder.object) is dict:
            keys = [key for key, value in holder.object.items() if value is part.object]
            if any(_names_loop(part, one.loop) for key in keys for part in _parts_of(key)):
                return True
    return False


def _parts_of(key: Any) -> Iterable[Any]:
    """The parts of a key: functools' caches make a tuple of the arguments."""
    return key if isinstance(key, tuple) else (key,)


def _names_loop(part: Any, loop: Any) -> bool:
    return part is loop or (isinstance(part, ref) and part() is loop)


def _foremost(found: list[Found]) -> list[Found]:
    """Keep one finding for each connection: its transport; drop what holds it, and what is a part of another."""
    connections = [pair for pair in found if pair[0].kind in CONNECTIONS]
    holders = {id(step.object) for _, path in connections for step in path}
    others = [pair for pair in found if pair[0].kind not in CONNECTIONS and id(pair[0].object) not in holders]
    every = {id(one.object) for one, _ in found} | {id(_spokesman(*pair)) for pair in connections}
    outer = {id(one.object) for one, _ in connections}
    return [
        *(pair for pair in connections if not _passes(pair, outer)),
        *(
            pair
            for pair in others
            if not _passes(pair, every) and not _is_internal(*pair) and not _is_of_the_closed(*pair)
        ),
    ]


def _is_internal(one: LoopBoundObject, path: Path) -> bool:
    """Whether it is a future that asyncio keeps for itself: what holds it is told, if anything is wrong with it."""
    holders = [step.object for step in path[:-1] if type(step.object) is not dict]
    return one.kind == "future" and bool(holders) and _module(holders[-1]) == "asyncio"


def _is_of_the_closed(one: LoopBoundObject, path: Path) -> bool:
    """Whether it is a part of something that was closed, as of the connection of a response that is kept."""
    return one.kind in ("primitive", "future") and any(is_known_closed(step.object) for step in path[1:-1])


def _passes(pair: Found, others: set[int]) -> bool:
    return any(id(step.object) in others for step in pair[1][:-1])


def _spokesman(one: LoopBoundObject, path: Path) -> Any:
    """Return the object that speaks for a transport: its nearest owner that is not the loop's own machinery."""
    if one.kind not in CONNECTIONS:
        return one.object
    for step in path[-2:0:-1]:
        if _module(step.object) not in MACHINERY:
            return step.object
    return one.object


def _module(one: Any) -> str:
    return type(one).__module__.partition(".")[0]


def _type_name(one: Any) -> str:
    kind = type(one)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
