"""The census: what is bound to a closed event loop and still in somebody's hands.

Generic first: whatever refers to a closed loop is looked at, whoever made it. It is counted where it can hurt the
next invocation: a transport that nobody closed, a pending future, a primitive that has chosen its loop, an
asynchronous generator left open, a thing that says of itself that it is open. Nothing is collected, called back or
replaced; the questions asked are the conventional ones (`is_closing()`, `closed`, `done()`).
"""

import gc
import socket
import sys
from collections.abc import Iterator
from itertools import pairwise
from types import AsyncGeneratorType, ModuleType
from typing import Any, NamedTuple, TypedDict
from weakref import ref

from .endings import Endings, Lost
from .holdings import address
from .owners import Owners, Path, namespace
from .sites import Sites
from .source import Place, awaited

QUESTIONS = ("is_closing", "is_closed", "closed", "_closed")
"""What connections, pools and clients answer when asked whether they are closed, as property or method."""


class Named(TypedDict):
    """A name in the user's source: the file's whole and shown name, and the names from the outermost inwards."""

    file: str
    shown: str
    names: list[str]


class Zombie(TypedDict):
    """Something bound to a closed loop: what it is, by what names it is reached, and from where it came.

    `definition` names what keeps it, or a task's coroutine; `line` is the line of its own making, or where it stands.
    """

    kind: str
    type: str
    owner: str | None
    peer: str | None
    line: str | None
    loop: int
    definition: Named | None


class Bound(NamedTuple):
    """A candidate: what sort of thing it is, the thing, and its closed loop."""

    kind: str
    object: Any
    loop: Any


CONNECTIONS = ("transport", "socket")
"""The kinds that stand for a connection."""
MACHINERY = {"builtins", "collections", "asyncio", "_asyncio", "uvloop", "anyio", "types", "ssl"}
"""Modules whose objects say nothing about whose connection it is."""

Found = tuple[Bound, Path]


class Census:
    """Takes the census of one process; remembers what it has told already."""

    def __init__(self, sites: Sites) -> None:
        self._sites = sites
        self._told: set[tuple[int, int]] = set()
        self._endings = Endings()
        self._endings.watch()

    def take(self) -> list[Zombie]:
        """Return what is newly found since the last call."""
        asyncio = sys.modules.get("asyncio")
        if asyncio is None:
            return []
        self._endings.watch()
        lost = [self._lost(one) for one in self._endings.take() if self._is_own(one.places)]
        bound = candidates(asyncio, self._sites)
        new = {self._key(one) for one in bound} - self._told
        self._told |= new
        return [*lost, *(self._tell(bound, new) if new else [])]

    def unclosed(self) -> list[str | None]:
        """Return the line that made it, for each loop that is neither closed nor running."""
        asyncio = sys.modules.get("asyncio")
        if asyncio is None:
            return []
        return [
            self._sites.loops.line(loop)
            for loop in _loops(asyncio, gc.get_objects())
            if not loop.is_closed() and not loop.is_running()
        ]

    def _tell(self, bound: list[Bound], new: set[tuple[int, int]]) -> list[Zombie]:
        owners = Owners([one.object for one in bound], [bound, *bound], self._is_own_module)
        owners.trace()
        alive = owners.alive | {id(one.object) for one in bound if self._is_own_task(one)}
        found = [(one, owners.path(one.object)) for one in bound if id(one.object) in alive]
        kept = _foremost([pair for pair in found if not _is_filed_under_its_loop(*pair)])
        return [self._zombie(one, path) for one, path in kept if self._key(one) in new]

    def _key(self, one: Bound) -> tuple[int, int]:
        return id(one.object), self._sites.loops.number(one.loop)

    def _is_own(self, places: list[Place]) -> bool:
        """Whether a coroutine's outermost frame is the user's own code."""
        return bool(places) and self._sites.source.name(places[-1][0]) is not None

    def _is_own_module(self, module: ModuleType) -> bool:
        return self._sites.source.name(getattr(module, "__file__", None) or "") is not None

    def _is_own_task(self, one: Bound) -> bool:
        """Work that the user began and nobody will end is lost, whether or not anybody still holds it."""
        return one.kind == "task" and self._is_own(awaited(one.object.get_coro()))

    def _zombie(self, one: Bound, path: Path) -> Zombie:
        connection = _socket(one.object)
        site = self._sites.of(connection.fileno()) if connection is not None else None
        running = awaited(one.object.get_coro() if one.kind == "task" else one.object)
        return {
            "kind": one.kind,
            "type": _type_name(_spokesman(one, path)),
            "owner": "".join(step.name for step in path) or None,
            "peer": _peer(one.object, connection),
            "line": (site and site.line) or self._sites.source.line(running),
            "loop": self._sites.loops.number(one.loop),
            "definition": self._coroutine(one.object.get_coro().__qualname__, running)
            if one.kind == "task"
            else self._definition(path),
        }

    def _lost(self, one: Lost) -> Zombie:
        return {
            "kind": "cancelled task",
            "type": f"asyncio.Task({one.coroutine})",
            "owner": None,
            "peer": None,
            "line": self._sites.source.line(one.places),
            "loop": self._sites.loops.number(one.loop),
            "definition": self._coroutine(one.coroutine, one.places),
        }

    def _coroutine(self, name: str, places: list[Place]) -> Named | None:
        return self._named(places[-1][0], [name.rpartition(".")[2]]) if self._is_own(places) else None

    def _definition(self, path: Path) -> Named | None:
        if not path:
            return None
        root = path[0].object
        module = sys.modules.get(root.__module__) if isinstance(root, type) else root
        names = root.__qualname__.split(".") if isinstance(root, type) else []
        names += [step.name.lstrip(".") for step in path[1:] if step.name.startswith(".")][:1]
        return self._named(getattr(module, "__file__", None) or "", names)

    def _named(self, file: str, names: list[str]) -> Named | None:
        shown = self._sites.source.name(file)
        return {"file": file, "shown": shown, "names": names} if shown else None


def candidates(asyncio: ModuleType, sites: Sites) -> list[Bound]:
    """Return everything that is bound to a closed loop, garbage included."""
    objects = gc.get_objects()
    types = set(map(type, objects))
    loops = [one for one in _loops(asyncio, objects) if one.is_closed()]
    if not loops:
        return []
    closed = {id(loop): loop for loop in loops}
    found = list(_referring(asyncio, closed, [objects, loops, closed]))
    found += _generators(_of(objects, types, AsyncGeneratorType), closed)
    transports = {_descriptor(one.object) for one in found if one.kind == "transport"}
    found += _sockets(_of(objects, types, socket.socket), sites, transports)
    return found


def _loops(asyncio: ModuleType, objects: list[Any]) -> list[Any]:
    return _of(objects, set(map(type, objects)), asyncio.AbstractEventLoop)


def _of(objects: list[Any], types: set[type], kind: type) -> list[Any]:
    """Return the objects of one kind. Types are compared, since isinstance would ask proxies for their class."""
    wanted = {one for one in types if issubclass(one, kind)}
    return [one for one in objects if type(one) in wanted] if wanted else []


def _referring(asyncio: ModuleType, closed: dict[int, Any], ignored: list[Any]) -> Iterator[Bound]:
    passed_over = {id(closed), *map(id, ignored)}
    direct = [one for one in gc.get_referrers(*closed.values()) if id(one) not in passed_over]
    namespaces = {id(one) for one in direct if type(one) is dict}
    instances = [
        one
        for one in (gc.get_referrers(*(one for one in direct if type(one) is dict)) if namespaces else [])
        if id(namespace(one)) in namespaces and not isinstance(one, ModuleType)
    ]
    seen = set()
    for one in (*direct, *instances):
        loop = next((closed[id(part)] for part in _parts(one) if id(part) in closed), None)
        kind = _kind(asyncio, one)
        if kind and loop is not None and id(one) not in seen:
            seen.add(id(one))
            yield Bound(kind, one, loop)


def _parts(one: Any) -> Iterator[Any]:
    """Yield what an object refers to, its attributes included."""
    for part in gc.get_referents(one):
        yield part
        if type(part) is dict:
            yield from part.values()


def _kind(asyncio: ModuleType, one: Any) -> str | None:
    """Say what sort of bound thing this is; None where it can hurt nobody."""
    kind = type(one)
    if issubclass(kind, asyncio.BaseTransport):
        return "transport" if _open_transport(one) else None
    if issubclass(kind, asyncio.Future):
        name = "task" if issubclass(kind, asyncio.Task) else "future"
        return None if one.done() else name
    if issubclass(kind, asyncio.mixins._LoopBoundMixin):  # noqa: SLF001 the one mark that all primitives share
        return "primitive"
    if kind.__module__.partition(".")[0] in ("asyncio", "uvloop", "builtins"):
        return None
    return "resource" if _is_open(one) else None


def _open_transport(transport: Any) -> bool:
    """A transport is open while it has a descriptor, or nobody has closed it.

    uvloop closes all descriptors with the loop; its transports do not know of it.
    """
    return _descriptor(transport) != -1 or not transport.is_closing()


def _is_open(one: Any) -> bool:
    """Whether the object says of itself that it is not closed. Most objects do not know the question."""
    for question in QUESTIONS:
        try:
            answer = getattr(one, question, None)
            answer = answer() if callable(answer) else answer
        except Exception:  # noqa: BLE001, S112 whatever a stranger's object raises is no answer
            continue
        if isinstance(answer, bool):
            return not answer
    return False


def _generators(generators: list[Any], closed: dict[int, Any]) -> Iterator[Bound]:
    """Yield the asynchronous generators that were begun on a closed loop and left open."""
    for one in generators:
        finalizers = (getattr(part, "__self__", None) for part in gc.get_referents(one))
        loop = next((loop for loop in finalizers if id(loop) in closed), None)
        if loop is not None and one.ag_frame is not None:
            yield Bound("asynchronous generator", one, loop)


def _sockets(sockets: list[Any], sites: Sites, of_transports: set[int]) -> Iterator[Bound]:
    """Yield open non-blocking sockets that were connected on a loop that is closed, and have no transport."""
    for one in sockets:
        if one.fileno() == -1 or one.fileno() in of_transports or one.gettimeout() != 0:
            continue
        loop = sites.of(one.fileno()).loop
        if loop is not None and (running := loop()) is not None and running.is_closed():
            yield Bound("socket", one, running)


def _socket(one: Any) -> Any | None:
    """Return the socket of a socket or transport, as far as it has one."""
    if isinstance(one, socket.socket):
        return one
    try:
        return one.get_extra_info("socket")
    except Exception:  # noqa: BLE001 not a transport, or one that cannot tell any more
        return None


def _descriptor(transport: Any) -> int:
    connection = _socket(transport)
    return connection.fileno() if connection is not None else -1


def _peer(one: Any, connection: Any | None) -> str | None:
    try:
        return address(connection.getpeername() if connection else one.get_extra_info("peername"))
    except Exception:  # noqa: BLE001 not connected any more, or never connected
        return None


def _is_filed_under_its_loop(one: Bound, path: Path) -> bool:
    """Whether a dictionary keeps it under its own loop as the key: then no other loop is handed it."""
    for holder, part in pairwise(path):
        if type(holder.object) is dict:
            keys = [key for key, value in holder.object.items() if value is part.object]
            if any(key is one.loop or (isinstance(key, ref) and key() is one.loop) for key in keys):
                return True
    return False


def _foremost(found: list[Found]) -> list[Found]:
    """Keep one finding for each connection: its transport; drop what holds it, and what is a part of another."""
    connections = [pair for pair in found if pair[0].kind in CONNECTIONS]
    holders = {id(step.object) for _, path in connections for step in path}
    others = [pair for pair in found if pair[0].kind not in CONNECTIONS and id(pair[0].object) not in holders]
    every = {id(one.object) for one, _ in found} | {id(_spokesman(*pair)) for pair in connections}
    outer = {id(one.object) for one, _ in connections}
    return [
        *(pair for pair in connections if not _passes(pair, outer)),
        *(pair for pair in others if not _passes(pair, every)),
    ]


def _passes(pair: Found, others: set[int]) -> bool:
    return any(id(step.object) in others for step in pair[1][:-1])


def _spokesman(one: Bound, path: Path) -> Any:
    """Return the object that speaks for a transport: its nearest owner that is not the loop's own machinery."""
    if one.kind not in CONNECTIONS:
        return one.object
    for step in path[-2:0:-1]:
        module = type(step.object).__module__.partition(".")[0]
        if module not in MACHINERY:
            return step.object
    return one.object


def _type_name(one: Any) -> str:
    kind = type(one)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
