"""What reachable code may take out of containers, put anew in their place, or keep below a length."""

import ast
import re
from collections.abc import Iterator
from functools import cached_property, lru_cache

from ticketctl.warmstart.static_analysis.facts.escape_analysis import (
    list_assignments,
    list_globals,
    list_locals,
    list_nodes,
    list_own_arguments,
)
from ticketctl.warmstart.static_analysis.facts.import_closure import ImportClosure
from ticketctl.warmstart.static_analysis.facts.module_facts import Facts, Function
from ticketctl.warmstart.static_analysis.lifetimes.container_reader import find_kind, list_made_on_first_use
from ticketctl.warmstart.static_analysis.lifetimes.repeated_calls import find_repeated_calls
from ticketctl.warmstart.static_analysis.repository.syntax import last_name, walk

REMOVERS = frozenset(
    {
        "clear",
        "delete_session",
        "delete_thread",
        "difference_update",
        "discard",
        "heapify",
        "intersection_update",
        "pop",
        "popitem",
        "popleft",
        "remove",
    }
)
ITEMS = "[]"
RESETTING = re.compile(r"(?i)(^|_)(reset|wipe|forget)(_|$)|^clear(_|$)")
"""Names of functions that empty a container when someone asks for it, if only such functions call them."""


class Removals:
    """The containers that shrink somewhere: by identity, or by the attribute's name if the object is unknown.

    A variable, an argument or a function's result that stands for a container counts as the container.
    """

    def __init__(self, closure: ImportClosure) -> None:
        self._closure = closure
        self._calls = find_repeated_calls(closure)
        self._shrunk: set[str] = set()
        self._reset: set[str] = set()
        self._aliases: dict[str, set[str]] = {}
        for facts in closure.modules:
            for scope in facts.references:
                if scope is None or isinstance(scope, ast.Lambda) or not closure.is_reachable(scope):
                    continue
                if not self._resets_on_request(scope):
                    self._read(facts, scope)
                    continue
                before = set(self._shrunk)
                self._read(facts, scope)
                self._reset |= self._shrunk - before
                self._shrunk = before
        waiting = list(self._shrunk)
        while waiting:
            more = self._aliases.get(waiting.pop(), set()) - self._shrunk
            self._shrunk |= more
            waiting += more

    def may_shrink(self, identity: str, *, items: bool) -> bool:
        """Return whether code may remove entries of a container; with `items`, or those of a container within it."""
        names = {identity, f".{identity.rpartition('.')[2]}"}
        if items:
            names |= {f"{one}{ITEMS}" for one in names}
        return bool(names & self._shrunk)

    def may_be_reset(self, identity: str) -> bool:
        """Return whether code empties a container when someone asks for it, as a route named `reset` does."""
        return bool({identity, f".{identity.rpartition('.')[2]}"} & self._reset)

    def _resets_on_request(self, function: Function, seen: frozenset[Function] = frozenset()) -> bool:
        """Return whether a function, and each one that calls it, is there to empty something."""
        closure = self._closure
        if RESETTING.search(function.name) is None or function not in closure.handled - closure.lifespans:
            return False
        callers = set(self._calls.list_callers(function)) - seen
        return all(self._resets_on_request(one, seen | {function}) for one in callers)

    def _read(self, facts: Facts, function: Function) -> None:
        self._read_arguments(function)
        for node in list_nodes(function):
            for one in _list_shrunk(node):
                self._shrunk |= self._name(facts, function, one)
            if isinstance(node, ast.Compare):
                self._read_comparison(facts, function, node)
            elif isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
                for target in walk(node.target):
                    if isinstance(target, ast.Name):
                        self._link(facts, function, target, node.iter)
            elif isinstance(node, ast.Call):
                self._read_call(facts, function, node)
            elif isinstance(node, ast.Return) and node.value is not None:
                names = self._name(facts, function, node.value)
                self._aliases.setdefault(f"{function.name}()", set()).update(names)
            for target, value in list_assignments(node):
                self._read_assignment(facts, function, target, value)

    def _read_arguments(self, function: Function) -> None:
        for index, name in enumerate(list_own_arguments(function)):
            places = {f"{function.name}({index})", f"{function.name}({name})"}
            self._aliases.setdefault(_name_local(function, name), set()).update(places)

    def _read_assignment(
        self, facts: Facts, function: Function, target: ast.expr, value: ast.expr | None
    ) -> None:
        if value is None:
            return
        if target in list_made_on_first_use(function) or (
            isinstance(target, ast.Name) and target.id not in list_globals(function)
        ):
            self._link(facts, function, target, value)
        elif isinstance(target, ast.Subscript):
            names = self._name(facts, function, target.value)
            if isinstance(target.slice, ast.Slice):
                self._shrunk |= names
            elif not isinstance(value, ast.Name) and not (
                find_kind(value) and self._is_first(function, target)
            ):
                self._shrunk |= {f"{one}{ITEMS}" for one in names}
        elif not (isinstance(target, ast.Attribute) and function.name in {"__init__", "__new__"}):
            self._shrunk |= self._name(facts, function, target)
        else:
            self._link(facts, function, target, value)

    def _is_first(self, function: Function, target: ast.Subscript) -> bool:
        """Return whether an item is set only where there is none: `if key not in groups: groups[key] = []`."""
        container = ast.unparse(target.value)
        for node in list_nodes(function):
            if isinstance(node, ast.If) and any(target in list_nodes(one) for one in node.body):
                return container in ast.unparse(node.test)
        return False

    def _read_comparison(self, facts: Facts, function: Function, node: ast.Compare) -> None:
        """Note a container whose length is compared with a limit, as an eviction does."""
        parts = [node.left, *node.comparators]
        if any(isinstance(one, ast.Constant) and one.value in {0, 1} for one in parts):
            return
        for part in (below for side in parts for below in walk(side)):
            if isinstance(part, ast.Call) and last_name(part.func) == "len" and part.args:
                names = self._name(facts, function, part.args[0])
                self._shrunk |= names | {f"{one}{ITEMS}" for one in names}

    def _read_call(self, facts: Facts, function: Function, call: ast.Call) -> None:
        """Note what a call passes, by the name of what it calls: arguments of such functions stand for it."""
        last = last_name(call.func)
        pairs = [*enumerate(call.args), *((one.arg, one.value) for one in call.keywords)]
        for place, value in pairs:
            if names := self._name(facts, function, value):
                self._aliases.setdefault(f"{last}({place})", set()).update(names)

    def _link(self, facts: Facts, function: Function, target: ast.expr, value: ast.expr) -> None:
        for name in self._name(facts, function, target):
            self._aliases.setdefault(name, set()).update(self._name(facts, function, value))

    def _name(self, facts: Facts, function: Function, value: ast.expr) -> set[str]:
        """Return the names of the object that an expression stands for, and of the containers that it is an item of."""
        return set(self._list_names(facts, function, value))

    def _list_names(self, facts: Facts, function: Function, value: ast.expr) -> Iterator[str]:
        match value:
            case ast.Name():
                yield from self._list_names_of_variable(facts, function, value)
            case ast.Attribute():
                yield from self._list_names_of_attribute(facts, function, value)
            case ast.Call():
                yield f"{last_name(value.func)}()"
                yield from self._list_names(facts, function, value.func)
            case ast.Subscript() | ast.Starred() | ast.Await():
                yield from self._list_names(facts, function, value.value)
            case ast.BoolOp() | ast.IfExp():
                for one in value.values if isinstance(value, ast.BoolOp) else (value.body, value.orelse):
                    yield from self._list_names(facts, function, one)

    def _list_names_of_variable(self, facts: Facts, function: Function, name: ast.Name) -> Iterator[str]:
        if name.id in list_locals(function):
            yield _name_local(function, name.id)
            yield f"{self._closure.graph.name_of(function)}:{name.id}"
        else:
            yield self._closure.resolve(facts.module.qualify(name)) or ""

    def _list_names_of_attribute(
        self, facts: Facts, function: Function, attribute: ast.Attribute
    ) -> Iterator[str]:
        if isinstance(attribute.value, ast.Name) and attribute.value.id in {"self", "cls"}:
            owner = self._closure.graph.owner_of(function)
            yield f"{owner}.{attribute.attr}"
            if owner in self._derived:  # it may be an attribute of the base class
                yield f".{attribute.attr}"
        else:
            yield self._closure.follow_import(facts.module.qualify(attribute))
            yield f".{attribute.attr}"
            yield from self._list_names(facts, function, attribute.value)

    @cached_property
    def _derived(self) -> set[str]:
        return {name for facts in self._closure.modules for name in facts.derived}


@lru_cache(maxsize=1)
def find_removals(closure: ImportClosure) -> Removals:
    """Return the answers about one closure, which several rules ask."""
    return Removals(closure)


def _name_local(function: Function, name: str) -> str:
    return f"{id(function)}/{name}"


def _list_shrunk(node: ast.AST) -> list[ast.expr]:
    """Return what a node removes entries from; a method may be mentioned only, as a callback."""
    if isinstance(node, ast.Attribute) and node.attr in REMOVERS:
        return [node.value]
    if isinstance(node, ast.Delete):
        return node.targets
    if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Sub | ast.BitAnd):
        return [node.target]
    if isinstance(node, ast.Call) and last_name(node.func).startswith("heap"):
        return node.args[:1]
    return []
