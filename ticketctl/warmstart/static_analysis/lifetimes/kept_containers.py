"""Which containers outlive an invocation, and which of them an expression stands for."""

import ast
from collections.abc import Iterator
from functools import cached_property, lru_cache

from ticketctl.warmstart.static_analysis.facts.escape_analysis import (
    Escapes,
    Identities,
    list_assignments,
    list_locals,
    list_nodes,
    unwrap_await,
)
from ticketctl.warmstart.static_analysis.facts.import_closure import ImportClosure
from ticketctl.warmstart.static_analysis.facts.module_facts import Facts, Function, Scope
from ticketctl.warmstart.static_analysis.libraries import known_names
from ticketctl.warmstart.static_analysis.lifetimes.container_reader import (
    Container,
    find_kind,
    read_containers,
)
from ticketctl.warmstart.static_analysis.lifetimes.repeated_calls import (
    find_repeated_calls,
    list_passed,
    list_repeated,
)
from ticketctl.warmstart.static_analysis.repository.syntax import last_name

ITEM_GETTERS = frozenset({"get", "setdefault"})
MAX_STEPS = 4
"""Variables, arguments and functions that are followed from an expression to a container."""


def find_innermost(facts: Facts, node: ast.expr | ast.stmt) -> Function | None:
    """Return the innermost function around a node of a module."""
    around = [
        one
        for group in facts.definitions.values()
        for one in group
        if one.lineno <= node.lineno <= (one.end_lineno or 0)
    ]
    return max(around, key=lambda one: one.lineno, default=None)


class KeptContainers:
    """The containers of one handler's import closure."""

    def __init__(self, closure: ImportClosure) -> None:
        self._closure = closure
        self._calls = find_repeated_calls(closure)
        self.every = dict.fromkeys(known_names.LISTS_OF_THE_PROCESS, Container("list"))
        for facts in closure.modules:
            self.every |= read_containers(facts.module)

    def is_kept(self, identity: str) -> bool:
        """Return whether an invocation meets the container of an earlier one."""
        holder = self.every[identity].holder
        if holder is None:
            return not self._is_copied(identity)
        family = {holder} | self._derived.get(holder, set())
        return bool(family & self._closure.kept_factories) and not family & self.made_each_time

    def _is_copied(self, identity: str) -> bool:
        """Return whether a class copies its attribute for each instance, as pydantic's models do."""
        owner = identity.partition(":")[0].rpartition(".")[0]
        return ":" not in identity and bool(self._bases.get(owner))

    @cached_property
    def _bases(self) -> dict[str, list[str]]:
        """The qualified names of the bases, and of the decorators, of each class at the top level."""
        return {
            f"{facts.module.name}.{node.name}": [
                self._closure.follow_import(facts.module.qualify(one))
                for one in (*node.bases, *node.decorator_list)
            ]
            for facts in self._closure.modules
            for node in facts.module.tree.body
            if isinstance(node, ast.ClassDef)
        }

    @cached_property
    def _derived(self) -> dict[str, set[str]]:
        """The classes that have each class as a base."""
        found: dict[str, set[str]] = {}
        for name, bases in self._bases.items():
            for base in bases:
                found.setdefault(base, set()).add(name)
        return found

    @cached_property
    def made_each_time(self) -> set[str]:
        """The classes and functions that invocations call again and again, or that FastAPI calls for each request.

        A class that keeps its own instance is none of them, unless its containers are made anew.
        """
        found = {name for facts in self._closure.modules for name in facts.dependencies}
        with_new = {
            owner for facts in self._closure.modules for owner, _ in facts.methods.get(".__new__", ())
        }
        for facts in self._closure.modules:
            for scope in facts.references:
                if isinstance(scope, ast.Lambda) or scope is None or not self._calls.is_repeated(scope):
                    continue
                for node in list_repeated(facts, scope):
                    if isinstance(node, ast.Call) and (name := facts.module.qualify(node.func)):
                        found.add(self._closure.follow_import(name))
        return {name for name in found if name not in with_new or not self._keeps_own_instance(name)}

    def _keeps_own_instance(self, name: str) -> bool:
        makers = [
            (facts, one)
            for facts in self._closure.modules
            for method in ("__new__", "__init__")
            for one in facts.definitions.get(f"{name}.{method}", ())
        ]
        return any(Escapes(one, facts.module).keeps_own_instance() for facts, one in makers) and not any(
            isinstance(target, ast.Attribute) and find_kind(value)
            for facts, one in makers
            for node in list_repeated(facts, one)
            for target, value in list_assignments(node)
        )

    def find(  # noqa: PLR0911 (a list of decisions)
        self, facts: Facts, function: Function, value: ast.expr, steps: int = MAX_STEPS
    ) -> tuple[str, int] | None:
        """Return the identity of the container that an expression stands for, and how many levels below it is an item."""
        value = unwrap_await(value)
        if not steps:
            return None
        if isinstance(value, ast.Subscript):
            return _go_down(self.find(facts, function, value.value, steps - 1))
        if isinstance(value, ast.Call):
            if isinstance(value.func, ast.Attribute) and value.func.attr in ITEM_GETTERS:
                return _go_down(self.find(facts, function, value.func.value, steps - 1))
            return self._check(self._closure.resolve(f"call:{facts.module.qualify(value.func)}"))
        if isinstance(value, ast.Attribute):
            return self._find_attribute(facts, function, value)
        if not isinstance(value, ast.Name):
            return None
        if value.id not in list_locals(function):
            return self._check(self._closure.resolve(facts.module.qualify(value)))
        if value.id in {one.arg for one in list_nodes(function.args) if isinstance(one, ast.arg)}:
            return self._find_argument(function, value.id, steps)
        values = list_values(function, value.id)
        return self.find(facts, function, values[0], steps - 1) if len(values) == 1 else None

    def _check(self, identity: str | None) -> tuple[str, int] | None:
        return (identity, 0) if identity in self.every else None

    def _find_attribute(
        self, facts: Facts, function: Function, value: ast.Attribute
    ) -> tuple[str, int] | None:
        owner = self._closure.graph.owner_of(function)
        if isinstance(value.value, ast.Name) and value.value.id in {"self", "cls"}:
            owners = [owner, *self._bases.get(owner, ())]
        else:
            name = self._closure.resolve(facts.module.qualify(value.value))
            if name is None:
                return None
            is_local = isinstance(value.value, ast.Name) and value.value.id in list_locals(function)
            scopes: list[Scope] = [function]
            named = Identities(facts.module).identify(value.value, scopes, []) if is_local else name
            owners = [*([] if is_local else [name]), self._closure.find_maker(named) or ""]
        return next((one for owner in owners if (one := self._check(f"{owner}.{value.attr}"))), None)

    def _find_argument(self, function: Function, name: str, steps: int) -> tuple[str, int] | None:
        default = self._check(f"{self._closure.graph.name_of(function)}:{name}")
        passed = list(self.list_passed(function, name))
        if default is not None:
            return None if passed else default
        found = {self.find(facts, caller, value, steps - 1) for facts, caller, value in passed}
        return found.pop() if len(found) == 1 else None

    def list_passed(self, function: Function, name: str) -> Iterator[tuple[Facts, Function, ast.expr]]:
        """Yield what the functions of an invocation pass to another one as its argument of this name."""
        for caller in self._calls.list_callers(function):
            facts = self._calls.find_facts(caller)
            for node in list_nodes(caller) if facts is not None else ():
                if isinstance(node, ast.Call) and last_name(node.func) == function.name and facts is not None:
                    yield from ((facts, caller, one) for one in list_passed(node, function, name))


@lru_cache(maxsize=1)
def find_kept_containers(closure: ImportClosure) -> KeptContainers:
    """Return the containers of one closure, which several rules ask about."""
    return KeptContainers(closure)


def _go_down(found: tuple[str, int] | None) -> tuple[str, int] | None:
    return found and (found[0], found[1] + 1)


def list_values(function: Function, name: str) -> list[ast.expr]:
    """Return what a function assigns to a local variable, as it is written; an empty list if a loop or another sets it."""
    values = []
    stores = 0
    nodes = list_nodes(function)
    of_comprehensions = {
        one for node in nodes if isinstance(node, ast.comprehension) for one in list_nodes(node.target)
    }
    for node in nodes:
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store):
            stores += node not in of_comprehensions
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value is not None:
            targets = [node.target]
        else:
            continue
        values += [node.value for one in targets if isinstance(one, ast.Name) and one.id == name]
    return [one for one in values if one is not None] if len(values) == stores else []
