"""Who keeps an object alive: the path of names from a module to it, or proof that nobody does.

The collector's own questions are asked, never its collection: who refers to this (`gc.get_referrers`), and do the
references that it sees add up to the reference count. What lived before the environment began is frozen, so that
only what came after is looked at.
"""

import gc
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path as FilePath
from types import CellType, FrameType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

HERE = str(FilePath(__file__).parent)
LIMIT = 50_000
"""Objects looked at before an object counts as kept by somebody unknown."""


class Reference(NamedTuple):
    """One link of an owner's chain: how the one before names it (".pool", "[0]", ...), and the object."""

    name: str
    object: Any


Path = list[Reference]


class ReferrerSearch:
    """The owners of some objects at one moment.

    Args:
        wanted: the objects.
        containers: the caller's own containers that hold the objects, too.
        tasks: all tasks: C's Task hides what it refers to from gc.get_referrers, though not from gc.get_referents.
        own: tells the user's own modules, which are searched first: the names that the user knows.

    After `trace`, `alive` has the ids of those that something keeps: a path of names, or a reference count that does
    not add up.

    """

    def __init__(
        self,
        wanted: Iterable[Any],
        containers: Iterable[Any],
        tasks: list[Any],
        own: Callable[[ModuleType], bool],
    ) -> None:
        self._wanted = {id(one): one for one in wanted}
        self._modules = {id(vars(module)): module for module in _modules()}
        self._closure: dict[int, Any] = {}
        self._containers = [*containers, self._wanted, self._closure]
        self._tasks = tasks
        self._own = own
        self._above: dict[int, int | None] = {}
        self._names: dict[int, Path] = {}
        self.alive: set[int] = set()

    def trace(self) -> None:
        """Find the owners. It is not done while the object is made: the arguments would count as owners, too."""
        complete = self._climb()
        self._above, self._names = self._descend(
            {key: one for key, one in self._modules.items() if self._own(one)}
        )
        unnamed = self._wanted.keys() - self._above.keys()
        kept = unnamed & self._held_from_outside() if unnamed and complete else unnamed
        if kept:
            self._above, self._names = self._descend(self._modules)
        self.alive = (self._wanted.keys() & self._above.keys()) | kept

    def path(self, wanted: Any) -> Path:
        """Return the shortest chain from a module to the object; empty where no names lead there."""
        number: int | None = id(wanted)
        if number not in self._above:
            return []
        chain = []
        while number is not None:
            chain.append(number)
            number = self._above[number]
        return [*self._names[chain[-1]], *map(self._step, chain[::-1], chain[-2::-1])]

    def _step(self, holder: int, part: int) -> Reference:
        return Reference(_label(self._closure[holder], self._closure[part]), self._closure[part])

    def _climb(self) -> bool:
        """Gather everything that leads to the wanted objects, up to modules and classes; False at the limit."""
        ignored = {id(self._containers), *map(id, self._containers)}
        frontier = list(self._wanted.values())
        while frontier and len(self._closure) < LIMIT:
            self._closure.update((id(one), one) for one in frontier)
            above = [one for one in frontier if not self._is_root(one)]
            ignored |= {id(frontier), id(above)}
            frontier = self._referrers(above, ignored)
        return not frontier

    def _referrers(self, below: list[Any], ignored: set[int]) -> list[Any]:
        """Return what refers to the objects and is not gathered yet; no container of ours outlives the call."""
        asked = tuple(below)  # from 3.13 on, the arguments' own tuple is among the answers
        found = {id(one): one for one in gc.get_referrers(*asked)}
        numbers = set(map(id, asked))
        found |= {
            id(one): one for one in self._tasks if not numbers.isdisjoint(map(id, gc.get_referents(one)))
        }
        new = found.keys() - ignored - self._closure.keys() - {id(asked)}
        return [found[number] for number in new if not _own(found[number])]

    def _is_root(self, one: Any) -> bool:
        return id(one) in self._modules or isinstance(one, type)

    def _descend(self, searched: dict[int, ModuleType]) -> tuple[dict[int, int | None], dict[int, Path]]:
        """Walk from the roots down the gathered objects, breadth first: the first way is the shortest."""
        names = dict(self._roots(searched))
        above: dict[int, int | None] = dict.fromkeys(names)
        queue = deque(names)
        while queue:
            number = queue.popleft()
            for part in map(id, gc.get_referents(self._closure[number])):
                if part in self._closure and part not in above:
                    above[part] = number
                    queue.append(part)
        return above, names

    def _roots(self, searched: dict[int, ModuleType]) -> Iterator[tuple[int, Path]]:
        """Yield modules' globals first, so that a name in a module wins over a class.

        The collector does not show the namespace of a module from before the environment began: it is searched.
        """
        gathered = set(self._closure)
        for key in gathered & self._modules.keys():
            yield key, [Reference(self._modules[key].__name__, self._modules[key])]
        for module in searched.values():
            if not gathered.isdisjoint(map(id, vars(module).values())):
                for name, value in vars(module).items():
                    if id(value) in gathered and not isinstance(value, type):
                        yield id(value), [Reference(module.__name__, module), Reference(f".{name}", value)]
        for number, one in self._closure.items():
            if isinstance(one, type):
                yield number, [Reference(f"{one.__module__}.{one.__qualname__}", one)]

    def _held_from_outside(self) -> set[int]:
        """Do the collector's sum: references that nothing gathered holds come from outside, and keep what is below.

        A probe that is held like the others tells how many references the question itself costs.
        """
        self._closure[0] = []
        inside = Counter(map(id, gc.get_referents(*self._closure.values(), *self._containers)))
        counts = dict(zip(self._closure, map(sys.getrefcount, self._closure.values()), strict=True))
        asking = counts.pop(0) - inside[id(self._closure.pop(0))]
        queue = deque(number for number, count in counts.items() if count - inside[number] > asking)
        held = set(queue)
        while queue:
            below = {id(part) for part in gc.get_referents(self._closure[queue.popleft()])}
            new = (below & self._closure.keys()) - held
            held |= new
            queue.extend(new)
        return held & self._wanted.keys()


def _own(one: Any) -> bool:
    """Whether this is one of the census's own frames."""
    return isinstance(one, FrameType) and one.f_code.co_filename.startswith(HERE)


def _modules() -> list[ModuleType]:
    entries: list[Any] = list(sys.modules.values())  # anything may be put there
    return [module for module in entries if isinstance(module, ModuleType)]


def _label(holder: Any, part: Any) -> str:
    """Say how `holder` names `part`: a key, an index, an attribute, or a closure's variable."""
    if isinstance(holder, dict):
        return next((_key(key) for key, value in holder.items() if value is part), "")
    if isinstance(part, CellType) or (isinstance(holder, FunctionType) and isinstance(part, tuple)):
        return ""
    if isinstance(holder, CellType):
        return ".<closure>"
    if isinstance(holder, list | tuple | deque):
        return next((f"[{index}]" for index, item in enumerate(holder) if item is part), "")
    if isinstance(holder, MethodType):
        return ".__self__"
    return _attribute(holder, part)


def _key(key: Any) -> str:
    if isinstance(key, str) and key.isidentifier():
        return f".{key}"
    return f"[{key!r}]" if isinstance(key, str | int) else f"[<{type(key).__name__}>]"


def _attribute(holder: Any, part: Any) -> str:
    """Find the attribute without asking properties: the instance's dictionary, then the slots of its classes."""
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
    """Return the dictionary of an instance's attributes, without asking the instance itself."""
    try:
        found = object.__getattribute__(one, "__dict__")
    except (AttributeError, TypeError):
        return None
    return found if type(found) is dict else None


def _slots(cls: type) -> Iterator[str]:
    slots = cls.__dict__.get("__slots__", ())
    for name in (slots,) if isinstance(slots, str) else slots:
        private = name.startswith("__") and not name.endswith("__")
        yield f"_{cls.__name__.lstrip('_')}{name}" if private else name
