"""What keeps an object alive: the path of names from a module to it, or proof that nothing does.

The collector's data are read, but it never runs: what refers to an object (`gc.get_referrers`), and whether the
references that it can see add up to the object's reference count. Objects from before the environment started are frozen
(`gc.freeze`), so that only later ones are examined.
"""

import gc
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path as FilePath
from types import CellType, FrameType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

HERE = str(FilePath(__file__).parent)
identity = object.__hash__
"""A number for each object that exists, as `id` returns one. `id` raises an audit event: a search that asks for ten
thousand of them would call the recorders' hook as often."""
LIMIT = 50_000
"""Objects examined at most; beyond it, an object counts as kept by something unknown."""


class Reference(NamedTuple):
    """One step of a path: the name that the object before has for this one (".pool", "[0]", ...), and the object."""

    name: str
    object: Any


Path = list[Reference]


class ReferrerSearch:
    """Searches what keeps some objects alive.

    Args:
        wanted: the objects.
        containers: the caller's own containers that hold the objects, too.
        tasks: all tasks: C's Task hides what it refers to from gc.get_referrers, though not from gc.get_referents.
        is_users: tells the user's own modules, which are searched first: their names mean something to the user.

    After `run`, `is_reachable` tells of each whether something keeps it: a path of names, or a reference count that is
    larger than the known references explain.

    """

    def __init__(
        self,
        wanted: Iterable[Any],
        containers: Iterable[Any],
        tasks: list[Any],
        is_users: Callable[[ModuleType], bool],
    ) -> None:
        self._wanted = {identity(one): one for one in wanted}
        self._modules = {identity(vars(module)): module for module in _modules()}
        self._closure: dict[int, Any] = {}
        self._containers = [*containers, self._wanted, self._closure]
        self._tasks = tasks
        self._is_users = is_users
        self._parents: dict[int, int | None] = {}
        self._root_paths: dict[int, Path] = {}
        self._reachable: set[int] = set()

    def run(self) -> None:
        """Search. The constructor does not do it: its caller's arguments would count as referrers."""
        complete = self._gather_referrers()
        users = {key: one for key, one in self._modules.items() if self._is_users(one)}
        self._parents, self._root_paths = self._walk_down(users)
        unnamed = self._wanted.keys() - self._parents.keys()
        kept = unnamed & self._referenced_from_outside() if unnamed and complete else unnamed
        if kept:
            self._parents, self._root_paths = self._walk_down(self._modules)
        self._reachable = (self._wanted.keys() & self._parents.keys()) | kept

    def is_reachable(self, wanted: Any) -> bool:
        """Return whether something keeps the object."""
        return identity(wanted) in self._reachable

    def path(self, wanted: Any) -> Path:
        """Return the shortest path from a module to the object; empty where there is none."""
        number: int | None = identity(wanted)
        if number not in self._parents:
            return []
        chain = []
        while number is not None:
            chain.append(number)
            number = self._parents[number]
        return [*self._root_paths[chain[-1]], *map(self._reference, chain[::-1], chain[-2::-1])]

    def _reference(self, holder: int, part: int) -> Reference:
        return Reference(_label(self._closure[holder], self._closure[part]), self._closure[part])

    def _gather_referrers(self) -> bool:
        """Gather all direct and indirect referrers, up to modules and classes; return False at the limit."""
        ignored = {identity(self._containers), *map(identity, self._containers)}
        frontier = list(self._wanted.values())
        while frontier and len(self._closure) < LIMIT:
            self._closure.update((identity(one), one) for one in frontier)
            above = [one for one in frontier if not self._is_root(one)]
            ignored |= {identity(frontier), identity(above)}
            frontier = self._referrers(above, ignored)
        return not frontier

    def _referrers(self, below: list[Any], ignored: set[int]) -> list[Any]:
        """Return what refers to the objects and is not gathered yet; none of this search's own containers."""
        asked = tuple(below)  # from Python 3.13 on, the tuple of arguments is among the results
        found = {identity(one): one for one in gc.get_referrers(*asked)}
        numbers = set(map(identity, asked))
        found |= {
            identity(one): one
            for one in self._tasks
            if not numbers.isdisjoint(map(identity, gc.get_referents(one)))
        }
        new = found.keys() - ignored - self._closure.keys() - {identity(asked)}
        return [found[number] for number in new if not _is_own_frame(found[number])]

    def _is_root(self, one: Any) -> bool:
        return identity(one) in self._modules or isinstance(one, type)

    def _walk_down(self, searched: dict[int, ModuleType]) -> tuple[dict[int, int | None], dict[int, Path]]:
        """Walk from the roots down the gathered objects, breadth first: the first path to an object is the shortest."""
        root_paths = dict(self._roots(searched))
        parents: dict[int, int | None] = dict.fromkeys(root_paths)
        queue = deque(root_paths)
        while queue:
            number = queue.popleft()
            for part in map(identity, gc.get_referents(self._closure[number])):
                if part in self._closure and part not in parents:
                    parents[part] = number
                    queue.append(part)
        return parents, root_paths

    def _roots(self, searched: dict[int, ModuleType]) -> Iterator[tuple[int, Path]]:
        """Yield modules' globals first, so that a name in a module wins over a class.

        gc.get_referrers does not return the namespace of a module from before the freeze: those are searched here.
        """
        gathered = set(self._closure)
        for key in gathered & self._modules.keys():
            yield key, [Reference(self._modules[key].__name__, self._modules[key])]
        for module in searched.values():
            if not gathered.isdisjoint(map(identity, vars(module).values())):
                for name, value in vars(module).items():
                    if identity(value) in gathered and not isinstance(value, type):
                        yield (
                            identity(value),
                            [Reference(module.__name__, module), Reference(f".{name}", value)],
                        )
        for number, one in self._closure.items():
            if isinstance(one, type):
                yield number, [Reference(f"{one.__module__}.{one.__qualname__}", one)]

    def _referenced_from_outside(self) -> set[int]:
        """Return the wanted objects that are kept from outside the gathered ones, as the collector would decide it.

        An object whose reference count is larger than the number of references from gathered objects is referred to by
        something else: a C extension, a thread's stack. It is kept, and so is everything that it leads to. How many
        references the question itself adds is measured on a probe, which is held in the same containers as the others.
        """
        self._closure[0] = []
        inside = Counter(map(identity, gc.get_referents(*self._closure.values(), *self._containers)))
        counts = dict(zip(self._closure, map(sys.getrefcount, self._closure.values()), strict=True))
        own = counts.pop(0) - inside[identity(self._closure.pop(0))]
        queue = deque(number for number, count in counts.items() if count - inside[number] > own)
        kept = set(queue)
        while queue:
            below = {identity(part) for part in gc.get_referents(self._closure[queue.popleft()])}
            new = (below & self._closure.keys()) - kept
            kept |= new
            queue.extend(new)
        return kept & self._wanted.keys()


def _is_own_frame(one: Any) -> bool:
    """Whether this is a frame of the laboratory's own code, which refers to the objects while it searches."""
    return isinstance(one, FrameType) and one.f_code.co_filename.startswith(HERE)


def _modules() -> list[ModuleType]:
    entries: list[Any] = list(sys.modules.values())  # users put other objects than modules there
    return [module for module in entries if isinstance(module, ModuleType)]


def _label(holder: Any, part: Any) -> str:
    """Return how `holder` names `part`: a key, an index, an attribute, or a closure's variable."""
    if isinstance(holder, dict):
        return next((_format_key(key) for key, value in holder.items() if value is part), "")
    if isinstance(part, CellType) or (isinstance(holder, FunctionType) and isinstance(part, tuple)):
        return ""
    if isinstance(holder, CellType):
        return ".<closure>"
    if isinstance(holder, list | tuple | deque):
        return next((f"[{index}]" for index, item in enumerate(holder) if item is part), "")
    if isinstance(holder, MethodType):
        return ".__self__"
    return _attribute_label(holder, part)


def _format_key(key: Any) -> str:
    if isinstance(key, str) and key.isidentifier():
        return f".{key}"
    return f"[{key!r}]" if isinstance(key, str | int) else f"[<{type(key).__name__}>]"


def _attribute_label(holder: Any, part: Any) -> str:
    """Find the attribute without a call of properties: in the instance's dictionary, then in its classes' slots."""
    attributes = namespace(holder) or {}
    if part is attributes:
        return ""
    for name, value in attributes.items():
        if value is part:
            return f".{name}"
    for name in {name for cls in type(holder).__mro__ for name in _slots(cls)}:
        try:
            if object.__getattribute__(holder, name) is part:
                return f".{name}"
        except AttributeError:
            continue
    return ""


def namespace(one: Any) -> dict[str, Any] | None:
    """Return the dictionary of an instance's attributes, without a call of its own __getattribute__."""
    try:
        found = object.__getattribute__(one, "__dict__")
    except (AttributeError, TypeError):
        return None
    return found if type(found) is dict else None


def _slots(cls: type) -> Iterator[str]:
    slots = cls.__dict__.get("__slots__", ())
    for name in (slots,) if isinstance(slots, str) else slots:
        is_private = name.startswith("__") and not name.endswith("__")
        yield f"_{cls.__name__.lstrip('_')}{name}" if is_private else name
