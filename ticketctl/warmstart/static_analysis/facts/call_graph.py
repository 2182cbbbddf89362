"""Which functions can be called from which, as far as names show.

A name that an import or the module itself defines stands for one function. An attribute of an object whose class is
unknown stands for all methods with that name, of the classes that the code mentions, and for what modules define that
the code mentions as values: `STEPS = {"a": steps_a}`.
"""

import ast
from collections.abc import Callable, Collection, Sequence

from ticketctl.warmstart.static_analysis.facts.escape_analysis import Identities
from ticketctl.warmstart.static_analysis.facts.module_facts import Facts, Function, Scope
from ticketctl.warmstart.static_analysis.repository.dynamic_imports import (
    ANY,
    imports_by_name,
    list_looked_up,
)
from ticketctl.warmstart.static_analysis.repository.source import SourceModule
from ticketctl.warmstart.static_analysis.repository.syntax import last_name

SPECIAL_METHODS = frozenset(
    f".{name}"
    for name in (
        "__init__",
        "__new__",
        "__aenter__",
        "__aexit__",
        "__enter__",
        "__exit__",
        "__call__",
        "__await__",
    )
)
"""Methods that are called without their names."""
SHORTEST_NAME = 3
"""Characters of an object's name that say something about its class."""


def name_reference(module: SourceModule, node: ast.Name | ast.Attribute) -> str:
    """Return the name under which code mentions something: qualified, or ".name" for an unknown object's attribute."""
    root: ast.expr = node
    while isinstance(root, ast.Attribute):
        root = root.value
    if isinstance(node, ast.Name) or (isinstance(root, ast.Name) and root.id in module.imported_names):
        return module.qualify(node)
    return f".{node.attr}"


def is_named_after(receiver: str, owner: str) -> bool:
    """Return whether an object's name ends like the name of its class: price_cache and PriceCache, or Cache."""
    last = receiver.strip("_").rpartition("_")[2].lower()
    return len(last) >= SHORTEST_NAME and owner.rpartition(".")[2].lower().endswith(last)


def name_receiver(node: ast.Attribute) -> str:
    """Return the name of the object whose attribute an expression is; empty for `self` and for other expressions."""
    name = last_name(node.value)
    return "" if name in {"self", "cls"} else name


def _leave_out_thread_targets(facts: Facts) -> dict[Scope, list[Function]]:
    """Return the functions that each function defines, without those that it only passes to another thread."""
    return {
        scope: [
            one
            for one in nested
            if (name := f"{facts.module.name}.{one.name}") not in facts.thread_references.get(scope, ())
            or name in facts.references.get(scope, ())
        ]
        for scope, nested in facts.nested.items()
    }


class CallGraph:
    """The call graph of some modules.

    with_threads: functions that are passed to other threads count as called.
    excluded: functions that never run.
    """

    def __init__(
        self,
        modules: Sequence[Facts],
        follow_import: Callable[[str], str],
        *,
        with_threads: bool,
        excluded: Collection[Scope] = (),
    ) -> None:
        self._excluded = excluded
        self._modules = modules
        self.follow_import = follow_import
        self._nested: dict[Scope, list[Function]] = {}
        self._definitions: dict[str, list[Function]] = {}
        self._methods: dict[str, list[tuple[str, Function]]] = {}
        self._owned: dict[str, list[tuple[str, Function]]] = {}
        self._variables: dict[str, set[str]] = {}
        self._references: dict[Scope | None, set[str]] = {}
        self._names: dict[Scope, str] = {}
        self._members: dict[str, list[tuple[str, str]]] = {}
        for facts in modules:
            self._nested |= facts.nested if with_threads else _leave_out_thread_targets(facts)
            self._definitions |= facts.definitions
            self._variables |= facts.variables
            for name, methods in facts.methods.items():
                self._methods.setdefault(name, []).extend(methods)
                for owner, function in methods:
                    self._owned.setdefault(owner, []).append((name, function))
            self._add_members(facts)
        self._module_names = {facts.module.name for facts in modules}
        self._not_variables = self._module_names | self._definitions.keys() | self._owned.keys()
        self._narrow_methods(modules)
        module_names = {f"{name}." for name in self._module_names}
        for facts in modules:
            for one in (facts.references, *([facts.thread_references] if with_threads else [])):
                for scope, names in one.items():
                    # "shop." is a mention on the way to shop.pay: it counts if shop is a class, not if it is a module
                    real = {name.removesuffix(".") for name in names - module_names}
                    self._references[scope] = self._references.get(scope, set()) | real
            self._add_loaded_by_name(facts)

    def _add_loaded_by_name(self, facts: Facts) -> None:
        """Let the functions that import modules by a string mention these, and what the file looks up in them."""
        loaded = {one.name for one in facts.module.loaded_by_name}
        if not loaded:
            return
        names = list_looked_up(facts.module) | loaded
        if f".{ANY}" in names:
            names |= {one for name in loaded for _, one in self._members.get(name, ())}
        for scope, mentioned in facts.references.items():
            if imports_by_name(facts.module, mentioned):
                self._references[scope] = self._references[scope] | names

    def _narrow_methods(self, modules: Sequence[Facts]) -> None:
        """Leave out the methods of classes that no object is named after, where each object is named after a class.

        `price_cache.warm()` is no call of Engine.warm if there is a PriceCache or a Cache with such a method. A class
        with base classes may stand in for another one and is kept.
        """
        derived = {name for facts in modules for name in facts.derived}
        for name, methods in self._methods.items():
            owners = {owner for owner, _ in methods}
            if len(owners) == 1:
                continue
            receivers = {one for facts in modules for one in facts.receivers.get(name, ())}
            named = {one: {owner for owner in owners if is_named_after(one, owner)} for one in receivers}
            if named and all(named.values()):
                kept = set().union(*named.values()) | (owners & derived)
                self._methods[name] = [pair for pair in methods if pair[0] in kept]
                for owner in owners - kept:
                    self._owned[owner] = [pair for pair in self._owned[owner] if pair[0] != name]

    def _add_members(self, facts: Facts) -> None:
        module = facts.module.name
        for name in (*facts.definitions, *facts.variables):
            self._names |= dict.fromkeys(facts.definitions.get(name, ()), name)
            owner, _, last = name.rpartition(".")
            if owner == module:
                self._members.setdefault(f".{last}", []).append((module, name))
                self._members.setdefault(module, []).append((f".{last}", name))

    def list_references(self, scope: Scope) -> set[str]:
        """Return what a function mentions."""
        return self._references.get(scope, set())

    def name_of(self, function: Scope) -> str | None:
        """Return the qualified name of a function; None for a lambda."""
        return self._names.get(function)

    def owner_of(self, function: Scope) -> str:
        """Return the qualified name of the class or module that defines a function; empty for a lambda."""
        return (self._names.get(function) or "").rpartition(".")[0]

    def identify(self, module: SourceModule, function: Function, value: ast.expr) -> str | None:
        """Return the identity of what an expression in a function stands for."""
        owner = self.owner_of(function)
        classes = [] if owner == module.name else [owner.rpartition(".")[2]]
        return Identities(module).identify(value, [function], classes)

    def is_defined(self, name: str) -> bool:
        """Return whether a name stands for a function of the modules."""
        return name in self._definitions

    def is_own(self, name: str) -> bool:
        """Return whether the modules define a function or a class with methods of this name."""
        return name in self._definitions or name in self._owned

    def list_callers(self, function: Scope) -> list[Scope]:
        """Return the functions that mention a function."""
        name = self._names.get(function)
        if name is None:
            return []
        wanted = {name, f".{name.rpartition('.')[2]}"}
        return [
            scope
            for scope, names in self._references.items()
            if scope is not None and (names & wanted or any(self.follow_import(one) == name for one in names))
        ]

    def list_import_names(self) -> set[str]:
        """Return what the modules mention when they are imported."""
        return set(self._references.get(None, set()))

    def find_reachable(
        self, functions: list[Scope], names: set[str], known: frozenset[str] = frozenset()
    ) -> set[Scope]:
        """Return the functions that can be called from some functions, or by some names.

        known: names that other code mentions; objects of these classes may exist already.
        """
        reached: set[Scope] = set()
        seen: set[str] = set()
        waiting = list(functions)
        new = set(names)
        while waiting or new:
            new |= {self.follow_import(name) for name in new if not name.startswith(".")}
            new |= {self._as_attribute(name) for name in new}
            seen |= new
            mentioned = seen | known
            waiting += self._list_functions(new, seen, mentioned)
            members = {
                one for name in new for other, one in self._members.get(name, ()) if other in mentioned
            }
            new = {one for name in new for one in self._variables.get(name, ())} | members
            while waiting:
                scope = waiting.pop()
                if scope not in reached and scope not in self._excluded:
                    reached.add(scope)
                    waiting += self._nested.get(scope, ())
                    new |= self._references.get(scope, set())
            new -= seen
        return reached

    def _as_attribute(self, name: str) -> str:
        """Return ".pay" for shop.orders.service.pay if service is a variable, whose class is unknown.

        A class is followed to where it is defined: shop.Order.pay is shop.orders.Order.pay.
        """
        owner, _, last = name.rpartition(".")
        owner = self.follow_import(owner) if owner else ""
        module = owner.rpartition(".")[0]
        if owner in self._owned:
            return f"{owner}.{last}"
        is_variable = module in self._module_names and owner not in self._not_variables
        return f".{last}" if is_variable else name

    def _list_functions(self, new: set[str], seen: set[str], mentioned: set[str]) -> list[Function]:
        """Return the functions that new names stand for, and the methods that they make possible."""
        found = [one for name in new for one in self._definitions.get(name, ())]
        for name in new:
            found += [function for owner, function in self._methods.get(name, ()) if owner in mentioned]
            found += [
                function
                for attribute, function in self._owned.get(name, ())
                if attribute in seen or attribute in SPECIAL_METHODS
            ]
        return found
