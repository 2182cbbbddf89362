"""What is bound to a closed event loop, garbage included.

Generic first: whatever refers to a closed loop is looked at, whoever made it. It counts where it can hurt the next
invocation: a transport or server that nobody closed, a pending future, a primitive that has chosen its loop, an
asynchronous generator left open, a thing that says of itself that it is open. The questions asked are the
conventional ones (`is_closing()`, `closed`, `done()`).
"""

import gc
import socket
from collections.abc import Iterable, Iterator
from types import AsyncGeneratorType, ModuleType
from typing import Any, NamedTuple

from .allocation_sites import AllocationSites
from .open_fds import address
from .referrers import namespace

TRANSPORT = ("is_closing", "get_extra_info", "abort")
"""What makes a transport that is no subclass of asyncio's, as uvloop's are not; streams cannot abort."""
QUESTIONS = ("is_closing", "is_closed", "closed", "_closed")
"""What connections, pools and clients answer when asked whether they are closed, as property or method."""


class LoopBoundObject(NamedTuple):
    """A candidate: what sort of thing it is, the thing, and its closed loop."""

    kind: str
    object: Any
    loop: Any


class Living(NamedTuple):
    """What lives at one moment, garbage included, of the kinds that a census asks for.

    Tasks are among them because C's Task hides its own references (loop, result, callbacks) from gc.get_referrers.
    """

    loops: list[Any]
    tasks: list[Any]
    generators: list[Any]
    sockets: list[Any]


def living(asyncio: ModuleType) -> Living:
    """Look at all objects once."""
    objects = gc.get_objects()
    types = set(map(type, objects))
    kinds = (asyncio.AbstractEventLoop, asyncio.Task, AsyncGeneratorType, socket.socket)
    return Living(*(_of(objects, types, kind) for kind in kinds))


def _of(objects: list[Any], types: set[type], kind: type) -> list[Any]:
    """Return the objects of one kind. Types are compared, since isinstance would ask proxies for their class."""
    wanted = {one for one in types if issubclass(one, kind)}
    return [one for one in objects if type(one) in wanted] if wanted else []


def candidates(asyncio: ModuleType, alive: Living, sites: AllocationSites) -> list[LoopBoundObject]:
    """Return everything that is bound to a closed loop, garbage included."""
    loops = [one for one in alive.loops if one.is_closed()]
    if not loops:
        return []
    closed = {id(loop): loop for loop in loops}
    found = list(_referring(asyncio, closed, [alive.loops, loops, closed], alive.tasks))
    found += _generators(alive.generators, closed)
    transports = {_descriptor(one.object) for one in found if one.kind == "transport"}
    found += _sockets(alive.sockets, sites, transports)
    return found


def _referring(
    asyncio: ModuleType, closed: dict[int, Any], ignored: list[Any], tasks: list[Any]
) -> Iterator[LoopBoundObject]:
    passed_over = {id(closed), *map(id, ignored)}
    direct = [one for one in gc.get_referrers(*closed.values()) if id(one) not in passed_over]
    namespaces = {id(one) for one in direct if type(one) is dict}
    instances = [
        one
        for one in (gc.get_referrers(*(one for one in direct if type(one) is dict)) if namespaces else [])
        if id(namespace(one)) in namespaces and not isinstance(one, ModuleType)
    ]
    seen = set()
    for one in (*direct, *instances, *tasks):
        loop = next((closed[id(part)] for part in _parts(one) if id(part) in closed), None)
        kind = _kind(asyncio, one)
        if kind and loop is not None and id(one) not in seen:
            seen.add(id(one))
            yield LoopBoundObject(kind, one, loop)


def _parts(one: Any) -> Iterator[Any]:
    """Yield what an object refers to, its attributes included."""
    for part in gc.get_referents(one):
        yield part
        if type(part) is dict:
            yield from part.values()


def _kind(asyncio: ModuleType, one: Any) -> str | None:
    """Say what sort of bound thing this is; None where it can hurt nobody."""
    kind = type(one)
    if issubclass(kind, asyncio.BaseTransport) or all(hasattr(kind, method) for method in TRANSPORT):
        return "transport" if _open_transport(one) else None
    if issubclass(kind, asyncio.Future):
        name = "task" if issubclass(kind, asyncio.Task) else "future"
        return None if one.done() else name
    if issubclass(kind, asyncio.mixins._LoopBoundMixin):  # noqa: SLF001 the one mark that all primitives share
        return "primitive"
    if hasattr(kind, "is_serving"):
        return "server" if one.sockets else None
    if kind.__module__.partition(".")[0] in ("asyncio", "uvloop", "builtins"):
        return None
    return "resource" if says_closed(one, QUESTIONS) is False else None


def _open_transport(transport: Any) -> bool:
    """A transport is open while it has a descriptor, or nobody has closed it.

    uvloop closes all descriptors with the loop; its transports do not know of it.
    """
    return _descriptor(transport) != -1 or not transport.is_closing()


def is_known_closed(one: Any) -> bool:
    """Whether the object says of itself that it is closed; nothing is asked that its class does not know."""
    own = namespace(one) or {}
    return says_closed(one, [each for each in QUESTIONS if each in own or hasattr(type(one), each)]) is True


def says_closed(one: Any, questions: Iterable[str]) -> bool | None:
    """Whether the object says of itself that it is closed. Most objects do not know the questions: None."""
    for question in questions:
        try:
            answer = getattr(one, question, None)
            answer = answer() if callable(answer) else answer
        except BaseException:  # noqa: BLE001, S112 whatever a stranger's object raises is no answer
            continue
        if isinstance(answer, bool):
            return answer
    return None


def _generators(generators: list[Any], closed: dict[int, Any]) -> Iterator[LoopBoundObject]:
    """Yield the asynchronous generators that were begun on a closed loop and left open."""
    for one in generators:
        finalizers = (getattr(part, "__self__", None) for part in gc.get_referents(one))
        loop = next((loop for loop in finalizers if id(loop) in closed), None)
        if loop is not None and one.ag_frame is not None:
            yield LoopBoundObject("asynchronous generator", one, loop)


def _sockets(
    sockets: list[Any], sites: AllocationSites, of_transports: set[int]
) -> Iterator[LoopBoundObject]:
    """Yield open non-blocking sockets that were connected on a loop that is closed, and have no transport."""
    for one in sockets:
        if one.fileno() == -1 or one.fileno() in of_transports or one.gettimeout() != 0:
            continue
        loop = sites.of(one.fileno()).loop
        if loop is not None and (running := loop()) is not None and running.is_closed():
            yield LoopBoundObject("socket", one, running)


def socket_of(one: Any) -> Any | None:
    """Return the socket of a socket, transport or server, as far as it has one."""
    if isinstance(one, socket.socket):
        return one
    try:
        return one.sockets[0] if hasattr(type(one), "is_serving") else one.get_extra_info("socket")
    except Exception:  # noqa: BLE001 none of them, or one that cannot tell any more
        return None


def _descriptor(transport: Any) -> int:
    connection = socket_of(transport)
    return connection.fileno() if connection is not None else -1


def peer(one: Any, connection: Any | None) -> str | None:
    """Return the far end's address, from the socket or else from the transport; None where nobody knows it."""
    try:
        return address(connection.getpeername() if connection else one.get_extra_info("peername"))
    except Exception:  # noqa: BLE001 not connected any more, or never connected
        return None
