"""Objects that are bound to a closed event loop, garbage included.

The search is generic: every object that refers to a closed loop is examined, whichever library made it. It counts if
it can harm the next invocation: a transport or server that is not closed, a pending future, a primitive that has bound
itself to its loop, an asynchronous generator that is not finished, an object whose own methods say that it is open
(`is_closing()`, `closed`, `done()` and the like, by convention).
"""

import gc
import socket
from collections.abc import Iterable, Iterator
from types import AsyncGeneratorType, ModuleType
from typing import Any, NamedTuple

from .allocation_sites import AllocationSites
from .open_fds import format_address
from .referrers import identity, namespace

TRANSPORT_METHODS = ("is_closing", "get_extra_info", "abort")
"""What identifies a transport that is no subclass of asyncio's, such as uvloop's; streams have no abort()."""
CLOSED_ATTRIBUTES = ("is_closing", "is_closed", "closed", "_closed")
"""Properties or methods by which connections, pools and clients say whether they are closed."""


class LoopBoundObject(NamedTuple):
    """An object, its kind (as in LeftoverInfo), and the closed loop that it is bound to."""

    kind: str
    object: Any
    loop: Any


class LiveObjects(NamedTuple):
    """All objects of the kinds that a census examines, garbage included.

    Tasks are among them because the C implementation of Task hides its references (loop, result, callbacks) from
    gc.get_referrers.
    """

    loops: list[Any]
    tasks: list[Any]
    generators: list[Any]
    sockets: list[Any]


def find_live_objects(asyncio: ModuleType) -> LiveObjects:
    """Pick the objects out of all that the collector tracks, in one pass."""
    objects = gc.get_objects()
    types = set(map(type, objects))
    kinds = (asyncio.AbstractEventLoop, asyncio.Task, AsyncGeneratorType, socket.socket)
    # types are compared: isinstance would ask proxies for their __class__
    wanted = [{one for one in types if issubclass(one, kind)} for kind in kinds]
    every = set().union(*wanted)
    picked = [one for one in objects if type(one) in every] if every else []
    return LiveObjects(*([one for one in picked if type(one) in group] for group in wanted))


def find_loop_bound(asyncio: ModuleType, live: LiveObjects, sites: AllocationSites) -> list[LoopBoundObject]:
    """Return every object that is bound to a closed loop, garbage included."""
    loops = [one for one in live.loops if one.is_closed()]
    if not loops:
        return []
    closed = {identity(loop): loop for loop in loops}
    bound = list(_referrers_of_loops(asyncio, closed, [live.loops, loops, closed], live.tasks))
    bound += _open_generators(live.generators, closed)
    of_transports = {_descriptor(one.object) for one in bound if one.kind == "transport"}
    bound += _bare_sockets(live.sockets, sites, of_transports)
    return bound


def _referrers_of_loops(
    asyncio: ModuleType, closed: dict[int, Any], own_containers: list[Any], tasks: list[Any]
) -> Iterator[LoopBoundObject]:
    """Yield what refers to a closed loop: by a slot or C field, by an attribute, or as a task."""
    ignored = {identity(closed), *map(identity, own_containers)}
    direct = [one for one in gc.get_referrers(*closed.values()) if identity(one) not in ignored]
    # an object with attributes refers to its __dict__, which refers to the loop
    namespaces = {identity(one) for one in direct if type(one) is dict}
    instances = [
        one
        for one in (gc.get_referrers(*(one for one in direct if type(one) is dict)) if namespaces else [])
        if identity(namespace(one)) in namespaces and not isinstance(one, ModuleType)
    ]
    seen = set()
    for one in (*direct, *instances, *tasks):
        loop = next((closed[identity(part)] for part in _referents(one) if identity(part) in closed), None)
        kind = _kind(asyncio, one)
        if kind and loop is not None and identity(one) not in seen:
            seen.add(identity(one))
            yield LoopBoundObject(kind, one, loop)


def _referents(one: Any) -> Iterator[Any]:
    """Yield what an object refers to, the values of its attributes included."""
    for part in gc.get_referents(one):
        yield part
        if type(part) is dict:
            yield from part.values()


def _kind(asyncio: ModuleType, one: Any) -> str | None:
    """Return the kind of an object that refers to a closed loop; None where it can harm no invocation."""
    kind = type(one)
    if issubclass(kind, asyncio.BaseTransport) or all(hasattr(kind, method) for method in TRANSPORT_METHODS):
        return "transport" if _is_open_transport(one) else None
    if issubclass(kind, asyncio.Future):
        name = "task" if issubclass(kind, asyncio.Task) else "future"
        return None if one.done() else name
    if issubclass(kind, asyncio.mixins._LoopBoundMixin):  # noqa: SLF001 the one mark that all primitives share
        return "primitive"
    # some libraries' pools inherit AbstractServer, which has no sockets
    if hasattr(kind, "is_serving") and hasattr(kind, "sockets"):
        return "server" if one.sockets else None
    if kind.__module__.partition(".")[0] in ("asyncio", "uvloop", "builtins"):
        return None
    return "resource" if _ask_closed(one, CLOSED_ATTRIBUTES) is False else None


def _is_open_transport(transport: Any) -> bool:
    """Whether a transport has a descriptor, or was not closed.

    uvloop closes all descriptors with the loop, without a change to its transports.
    """
    return _descriptor(transport) != -1 or not transport.is_closing()


def is_known_closed(one: Any) -> bool:
    """Whether the object says that it is closed; only attributes that its class defines are asked."""
    own = namespace(one) or {}
    defined = [name for name in CLOSED_ATTRIBUTES if name in own or hasattr(type(one), name)]
    return _ask_closed(one, defined) is True


def _ask_closed(one: Any, attributes: Iterable[str]) -> bool | None:
    """Return what the first of the attributes with a boolean answer says; None for an object that has none of them."""
    for name in attributes:
        try:
            answer = getattr(one, name, None)
            answer = answer() if callable(answer) else answer
        except BaseException:  # noqa: BLE001, S112 a foreign object may raise anything, which is no answer
            continue
        if isinstance(answer, bool):
            return answer
    return None


def _open_generators(generators: list[Any], closed: dict[int, Any]) -> Iterator[LoopBoundObject]:
    """Yield the asynchronous generators that were started on a closed loop and are not finished.

    A generator refers to its loop through the finalizer hook, which is a bound method of the loop.
    """
    for one in generators:
        finalizers = (getattr(part, "__self__", None) for part in gc.get_referents(one))
        loop = next((loop for loop in finalizers if identity(loop) in closed), None)
        if loop is not None and one.ag_frame is not None:
            yield LoopBoundObject("asynchronous generator", one, loop)


def _bare_sockets(
    sockets: list[Any], sites: AllocationSites, of_transports: set[int]
) -> Iterator[LoopBoundObject]:
    """Yield open non-blocking sockets without a transport that were connected on a loop that is closed."""
    for one in sockets:
        if one.fileno() == -1 or one.fileno() in of_transports or one.gettimeout() != 0:
            continue
        loop = sites.of_socket(one.fileno()).loop
        if loop is not None and (running := loop()) is not None and running.is_closed():
            yield LoopBoundObject("socket", one, running)


def socket_of(one: Any) -> Any | None:
    """Return the socket of a socket, transport or server, if it has one."""
    if isinstance(one, socket.socket):
        return one
    try:
        return one.sockets[0] if hasattr(type(one), "is_serving") else one.get_extra_info("socket")
    except Exception:  # noqa: BLE001 it is none of them, or closed so far that it raises
        return None


def _descriptor(transport: Any) -> int:
    connection = socket_of(transport)
    return connection.fileno() if connection is not None else -1


def peer_address(one: Any, connection: Any | None) -> str | None:
    """Return the peer's address, from the socket or else from the transport; None where neither knows it."""
    try:
        return format_address(connection.getpeername() if connection else one.get_extra_info("peername"))
    except Exception:  # noqa: BLE001 not connected, or not any more
        return None
