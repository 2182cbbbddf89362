"""Memory and containers that grow from call to call.

Measured where the garbage collector is on, and after a collection, so that garbage counts as freed; a handler that turns
the collector off keeps its garbage.
"""

import atexit
import functools
import gc
import os
import resource
import sys
import tracemalloc
import warnings
import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from types import ModuleType
from typing import Any

from .ipc import AllocationInfo, ContainerInfo, MemoryUsage
from .referrers import Path, ReferrerSearch, identity
from .tmp_files import TmpFiles
from .user_code import UserCode

CONTAINERS = (list, dict, set, deque, bytearray)
UNTRACKABLE = (dict, bytearray)
FRAMES = 16
"""Frames of each allocation that tracemalloc keeps: enough to reach the user's code from a library."""
MOST_CONTAINERS = 10
MOST_SEARCHED = 300
"""Containers whose names are searched; those inside of others, such as buffers, often have none."""
MOST_ALLOCATIONS = 5
CALLS_PER_SCAN = 6
"""Calls between two looks at all containers, which take long; a container grows if it does so between any two."""
OWN_PACKAGE = __name__.rpartition(".")[0]
IRRELEVANT_MODULES = (OWN_PACKAGE, "threading")
WEAK = (weakref.WeakKeyDictionary, weakref.WeakValueDictionary, weakref.WeakSet)
HEAP_TYPE = 1 << 9
"""Py_TPFLAGS_HEAPTYPE: classes made by a class statement, among others."""
LARGE = 1 << 62
"""Stands for the initial length of a container that did not exist then."""


class MemoryRecorder:
    """Measures memory after each call. `start` makes it exact: by object, container and line."""

    def __init__(self, user_code: UserCode, tmp_files: TmpFiles) -> None:
        self._user_code = user_code
        self._tmp_files = tmp_files
        self._initial: dict[int, int] = {}
        self._growing: dict[int, list[int]] = {}
        self._exit_functions: list[int] = []
        self._first: tracemalloc.Snapshot | None = None
        self._calls = 0

    def measure(self) -> MemoryUsage:
        """Collect garbage as the handler would, and return what is in use."""
        _clear_type_cache()
        if gc.isenabled():
            gc.collect()
        usage = MemoryUsage(
            blocks=sys.getallocatedblocks(),
            rss=_resident_bytes(),
            traced=tracemalloc.get_traced_memory()[0] if tracemalloc.is_tracing() else 0,
            tmp=self._tmp_files.size(),
        )
        if self._first is not None:
            self._calls += 1
            if self._calls % CALLS_PER_SCAN == 0:
                self._scan_containers()
        return usage

    def start(self) -> None:
        """Trace allocations and containers from now on, those included that were frozen at the start.

        What is allocated before tracemalloc starts, such as the initial lengths, does not count as traced.
        """
        gc.unfreeze()
        self._initial = {identity(one): _count_entries(one) for one in _find_containers()}
        self._exit_functions = [_count_exit_functions()]
        self._tmp_files.mark()
        tracemalloc.start(FRAMES)
        self._first = self._snapshot()

    def finish(self) -> tuple[list[ContainerInfo], list[AllocationInfo], str | None]:
        """Return containers that have grown, lines that have allocated what is still in use, and the line of most files.

        Delete the files that the probe's invocations have created: there would be none of them otherwise.
        """
        allocations = self._compare() if self._first else []
        tracemalloc.stop()
        tmp_line = self._tmp_files.biggest_line()
        self._tmp_files.delete_marked()
        return self._describe_containers(), allocations, tmp_line

    def _scan_containers(self) -> None:
        """Add one length to the series of each container that has grown since the scan before; drop the others."""
        self._exit_functions.append(_count_exit_functions())
        if self._initial:
            grown = {
                identity(one): _count_entries(one)
                for one in _find_containers()
                if _count_entries(one) > self._initial.get(identity(one), LARGE)
            }
            self._growing = {number: [self._initial[number], length] for number, length in grown.items()}
            self._initial = {}
            return
        lengths = {identity(one): _count_entries(one) for one in _find_again(self._growing.keys())}
        self._growing = {
            number: [*series, lengths[number]]
            for number, series in self._growing.items()
            if lengths.get(number, -1) > series[-1]
        }

    def _describe_containers(self) -> list[ContainerInfo]:
        growing = self._growing
        # what has shrunk since the last scan was in use for a while only, such as a set of running tasks
        wanted = [
            one
            for one in _find_containers()
            if _count_entries(one) >= growing.get(identity(one), [LARGE])[-1]
        ]
        wanted.sort(key=lambda one: growing[identity(one)][0] - growing[identity(one)][-1])
        del wanted[MOST_SEARCHED:]
        search = ReferrerSearch(wanted, [wanted, growing], [], self._is_users_module)
        search.run()
        infos: list[ContainerInfo] = []
        weak: list[ContainerInfo] = []
        for one in wanted:
            path = search.path(one)
            name = "".join(step.name for step in path)
            if not path or _is_irrelevant(path) or _has_weak_items(one):
                continue
            if len(infos) == MOST_CONTAINERS:
                break
            (weak if _is_weak(path) else infos).append(
                ContainerInfo(
                    name=name,
                    type=type(one).__qualname__,
                    definition=self._user_code.definition(path),
                    lengths=growing[identity(one)],
                )
            )
        # its entries are kept by another container; by itself only if each value refers to its own key
        infos = infos or weak
        if self._exit_functions and self._exit_functions[0] < self._exit_functions[-1]:
            infos.append(
                ContainerInfo(
                    name="atexit", type="registered functions", definition=None, lengths=self._exit_functions
                )
            )
        return infos

    def _is_users_module(self, module: ModuleType) -> bool:
        return self._user_code.name(getattr(module, "__file__", None) or "") is not None

    def _snapshot(self) -> tracemalloc.Snapshot:
        own = tracemalloc.Filter(inclusive=False, filename_pattern=f"{os.path.dirname(__file__)}{os.sep}*")  # noqa: PTH120 pathlib costs its import
        return tracemalloc.take_snapshot().filter_traces([own])

    def _compare(self) -> list[AllocationInfo]:
        """Add up the growth since the start by the user's lines."""
        if self._first is None:
            return []
        growth: dict[str, int] = {}
        for difference in self._snapshot().compare_to(self._first, "traceback"):
            places = [(frame.filename, frame.lineno) for frame in reversed(list(difference.traceback))]
            if difference.size_diff > 0 and (line := self._user_code.line(places)):
                growth[line] = growth.get(line, 0) + difference.size_diff
        biggest = sorted(growth.items(), key=lambda one: -one[1])[:MOST_ALLOCATIONS]
        return [AllocationInfo(line=line, bytes=size) for line, size in biggest]


def _count_exit_functions() -> int:
    """Return how many functions are registered with atexit, which no Python object refers to."""
    return int(getattr(atexit, "_ncallbacks", int)())


def _clear_type_cache() -> None:
    """Clear the cache of attributes by type and name. It keeps names, such as asyncio's "Task-12", until others come."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        getattr(sys, "_clear_type_cache", int)()


def _count_entries(one: Any) -> int:
    """Return a container's length without cancelled timers: asyncio keeps up to a hundred before it removes them."""
    if type(one) is list and one and type(one[0]).__name__ == "TimerHandle":
        return sum(not timer.cancelled() for timer in one)
    return len(one)


def _find_containers() -> Iterator[Any]:
    """Yield all containers without a bound, and the dictionaries that the collector does not track."""
    bounded = {identity(part) for cache in _bounded_caches() for part in gc.get_referents(cache)}
    for one in _candidates():
        is_ring = isinstance(one, deque) and one.maxlen is not None
        if identity(one) not in bounded and not is_ring:
            yield one


def _find_again(wanted: AbstractSet[int]) -> list[Any]:
    """Return the containers with these ids; look at those that the collector does not track only if one is missing."""
    # the type first: an id is a new integer, and tracemalloc notes every allocation
    tracked = [one for one in gc.get_objects() if isinstance(one, CONTAINERS) and identity(one) in wanted]
    if len(tracked) == len(wanted):
        return tracked
    return [one for one in _find_containers() if identity(one) in wanted]


def _candidates() -> Iterator[Any]:
    """Yield the containers that the collector tracks, and those that tracked objects refer to.

    A dictionary of plain values is not tracked itself; the namespace that it is in is. The attributes of an instance may
    have no dictionary of their own.
    """
    is_tracked = gc.is_tracked
    for one in gc.get_objects():
        kind = type(one)
        if kind is dict or isinstance(one, CONTAINERS):
            yield one
        if kind is dict:
            parts: Iterable[Any] = list(one.values())
        elif kind.__flags__ & HEAP_TYPE:
            parts = gc.get_referents(one)
        else:
            continue
        yield from [part for part in parts if type(part) in UNTRACKABLE and not is_tracked(part)]


def _bounded_caches() -> list[Any]:
    kind = type(functools.lru_cache(len))
    return [one for one in gc.get_objects() if type(one) is kind and one.cache_parameters()["maxsize"]]


def _has_weak_items(one: Any) -> bool:
    """Whether a list or dictionary keeps weak references, as sqlite3's list of cursors does, which prunes it later."""
    values = list(one.values() if isinstance(one, dict) else one)[-MOST_CONTAINERS:]
    return bool(values) and all(isinstance(value, weakref.ref) for value in values)


def _is_irrelevant(path: Path) -> bool:
    """Whether the container belongs to the laboratory, or lists threads."""
    return path[0].name.startswith(IRRELEVANT_MODULES) or any(
        type(step.object).__module__.startswith(OWN_PACKAGE) for step in path
    )


def _is_weak(path: Path) -> bool:
    """Whether the container refers to its keys or values weakly."""
    return any(isinstance(step.object, WEAK) for step in path)


def _resident_bytes() -> int:
    """Return the resident memory; where the system does not tell, its maximum so far."""
    try:
        with open("/proc/self/statm", "rb") as statm:  # noqa: PTH123 pathlib costs its import
            return int(statm.read().split()[1]) * resource.getpagesize()
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
