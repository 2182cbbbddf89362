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
from types import AsyncGeneratorType, ModuleType
from typing import Any, NamedTuple, TypedDict

from .descriptors import address
from .owners import Owners, Path, namespace
from .sites import Sites

QUESTIONS = ("is_closing", "is_closed", "closed", "_closed")
"""What connections, pools and clients answer when asked whether they are closed, as property or method."""


class Zombie(TypedDict):
    """Something bound to a closed loop: what it is, by what names it is reached, and from where it came."""

    kind: str
    type: str
    owner: str | None
    peer: str | None
    created_at: str | None
    loop: int
    holder: str | None


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
    """Takes the census of one process; remembers what it has told already, and the loops' numbers."""

    def __init__(self, sites: Sites) -> None:
        self._sites = sites
        self._told: set[tuple[int, int]] = set()

    def take(self) -> list[Zombie]:
        """Return what is newly found since the last call."""
        asyncio = sys.modules.get("asyncio")
        if asyncio is None:
            return []
        bound = candidates(asyncio, self._sites)
        new = {self._key(one) for one in bound} - self._told
        self._told |= new
        return self._tell(bound, new) if new else []

    def _tell(self, bound: list[Bound], new: set[tuple[int, int]]) -> list[Zombie]:
        owners = Owners([one.object for one in bound], [bound, *bound])
        alive = owners.alive()
        kept = _foremost([(one, owners.path(one.object)) for one in bound if id(one.object) in alive])
        return [self._zombie(one, path) for one, path in kept if self._key(one) in new]

    def _key(self, one: Bound) -> tuple[int, int]:
        return id(one.object), self._sites.loops.number(one.loop)

    def _zombie(self, one: Bound, path: Path) -> Zombie:
        connection = _socket(one.object)
        site = self._sites.of(connection.fileno()) if connection else None
        return {
            "kind": one.kind,
            "type": _type_name(_spokesman(one, path)),
            "owner": "".join(step.name for step in path) or None,
            "peer": _peer(one.object, connection),
            "created_at": (site and site.line) or _own_line(one.object, self._sites),
            "loop": self._sites.loops.number(one.loop),
            "holder": _holder(path),
        }


def candidates(asyncio: ModuleType, sites: Sites) -> list[Bound]:
    """Return everything that is bound to a closed loop, garbage included."""
    objects = gc.get_objects()
    types = set(map(type, objects))
    loops = [one for one in _of(objects, types, asyncio.AbstractEventLoop) if one.is_closed()]
    if not loops:
        return []
    closed = {id(loop): loop for loop in loops}
    found = list(_referring(asyncio, closed, [objects, loops, closed]))
    found += _generators(_of(objects, types, AsyncGeneratorType), closed)
    transports = {_descriptor(one.object) for one in found if one.kind == "transport"}
    found += _sockets(_of(objects, types, socket.socket), sites, transports)
    return found


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
    """A transport is open while it has a descriptor, or, where it has none to show, until somebody closes it.

    uvloop closes descriptors together with the loop; their transports were closed by nobody.
    """
    return _descriptor(transport) != -1 if _socket(transport) else not transport.is_closing()


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
    return connection.fileno() if connection else -1


def _peer(one: Any, connection: Any | None) -> str | None:
    try:
        return address(connection.getpeername() if connection else one.get_extra_info("peername"))
    except Exception:  # noqa: BLE001 not connected any more, or never connected
        return None


def _own_line(one: Any, sites: Sites) -> str | None:
    """Return the line where a task or generator stands."""
    running = one.get_coro() if hasattr(one, "get_coro") else one
    frame = getattr(running, "cr_frame", None) or getattr(running, "ag_frame", None)
    return sites.source.line([(frame.f_code.co_filename, frame.f_lineno)]) if frame else None


def _foremost(found: list[Found]) -> list[Found]:
    """Keep one finding for each connection: its transport; drop what holds it, and what is a part of another."""
    connections = [pair for pair in found if pair[0].kind in CONNECTIONS]
    holders = {id(step.object) for _, path in connections for step in path}
    others = [pair for pair in found if pair[0].kind not in CONNECTIONS and id(pair[0].object) not in holders]
    every = {id(one.object) for one, _ in found}
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


def _holder(path: Path) -> str | None:
    """Return the type of what the module's own name stands for."""
    return next((_type_name(step.object) for step in path[1:] if type(step.object) is not dict), None)


def _type_name(one: Any) -> str:
    kind = type(one)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
