"""Lists, dictionaries and sets that outlive an invocation, and which of them an expression stands for.

A container's identity is "module.NAME" for a variable, "module.Class.name" for an attribute of a class or of its
instances, and "module.function:argument" for a default argument.
"""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from ticketctl.warmstart.static_analysis.facts.escape_analysis import (
    Identities,
    list_all_assignments,
    list_assignments,
    list_locals,
    list_nodes,
    unwrap_await,
)
from ticketctl.warmstart.static_analysis.facts.import_closure import ImportClosure
from ticketctl.warmstart.static_analysis.facts.module_facts import Facts, Function, Scope, is_main_guard
from ticketctl.warmstart.static_analysis.libraries import known_names
from ticketctl.warmstart.static_analysis.lifetimes.repeated_calls import (
    find_repeated_calls,
    list_passed,
    list_repeated,
)
from ticketctl.warmstart.static_analysis.repository.source import SourceModule
from ticketctl.warmstart.static_analysis.repository.syntax import last_name, list_children

KINDS = {
    "list": "list",
    "deque": "list",
    "dict": "dict",
    "OrderedDict": "dict",
    "defaultdict": "dict",
    "set": "set",
}
ITEM_GETTERS = frozenset({"get", "setdefault"})
MAX_STEPS = 4
"""Variables, arguments and functions that are followed from an expression to a container."""


@dataclass(frozen=True, slots=True)
class Container:
    """A container: "list", "dict" or "set"; and the class whose instances hold one each, if it is no shared one."""

    kind: str
    holder: str | None = None


def find_kind(value: ast.expr | None) -> str | None:
    """Return the kind of container that an expression makes; None for another object, or a bounded one."""
    if isinstance(value, ast.List | ast.ListComp):
        return "list"
    if isinstance(value, ast.Dict | ast.DictComp):
        return "dict"
    if isinstance(value, ast.Set | ast.SetComp):
        return "set"
    if not isinstance(value, ast.Call):
        return None
    name = last_name(value.func)
    if name == "field":  # of a dataclass
        made = next((one.value for one in value.keywords if one.arg == "default_factory"), None)
        return KINDS.get(last_name(made)) if made is not None else None
    return None if name == "deque" and is_bounded_deque(value) else KINDS.get(name)


def find_innermost(facts: Facts, node: ast.expr | ast.stmt) -> Function | None:
    """Return the innermost function around a node of a module."""
    around = [
        one
        for group in facts.definitions.values()
        for one in group
        if one.lineno <= node.lineno <= (one.end_lineno or 0)
    ]
    return max(around, key=lambda one: one.lineno, default=None)


def is_bounded_deque(call: ast.Call) -> bool:
    """Return whether a call of deque() is passed a maximum length."""
    return len(call.args) > 1 or any(one.arg == "maxlen" for one in call.keywords)


@lru_cache(maxsize=1024)
def _read_containers(module: SourceModule) -> dict[str, Container]:
    """Return the containers that a module's top level and its classes make, by identity."""
    return dict(_list_in_block(module.tree.body, module.name, is_class=False))


def _list_in_block(
    block: Sequence[ast.AST], owner: str, *, is_class: bool
) -> Iterator[tuple[str, Container]]:
    for statement in block:
        if isinstance(statement, ast.ClassDef):
            yield from _list_in_block(statement.body, f"{owner}.{statement.name}", is_class=True)
        elif isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _list_defaults(statement, f"{owner}.{statement.name}")
            if is_class and statement.name == "__init__":
                yield from _list_of_instance(statement, owner)
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            is_field = (
                is_class
                and isinstance(statement.value, ast.Call)
                and last_name(statement.value.func) == "field"
            )
            for target, assigned in list_assignments(statement):
                if isinstance(target, ast.Name) and (kind := find_kind(assigned)):
                    yield f"{owner}.{target.id}", Container(kind, owner if is_field else None)
        elif not (isinstance(statement, ast.If) and is_main_guard(statement.test)):
            below = [one for one in list_children(statement) if isinstance(one, ast.stmt | ast.ExceptHandler)]
            yield from _list_in_block(below, owner, is_class=is_class)


def _list_defaults(function: Function, name: str) -> Iterator[tuple[str, Container]]:
    arguments = [*function.args.posonlyargs, *function.args.args]
    pairs = [
        *zip(arguments[::-1], function.args.defaults[::-1], strict=False),
        *zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True),
    ]
    for argument, value in pairs:
        if kind := find_kind(value):
            yield f"{name}:{argument.arg}", Container(kind)


def _list_of_instance(
    function: ast.FunctionDef | ast.AsyncFunctionDef, owner: str
) -> Iterator[tuple[str, Container]]:
    for target, value in list_all_assignments(function):
        is_own = isinstance(target, ast.Attribute) and last_name(target.value) == "self"
        if is_own and (kind := find_kind(value)):
            yield f"{owner}.{last_name(target)}", Container(kind, owner)


class KeptContainers:
    """The containers of one handler's import closure."""

    def __init__(self, closure: ImportClosure) -> None:
        self._closure = closure
        self._calls = find_repeated_calls(closure)
        self.every = dict.fromkeys(known_names.LISTS_OF_THE_PROCESS, Container("list"))
        for facts in closure.modules:
            self.every |= _read_containers(facts.module)

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
        """The classes and functions that invocations call again and again, or that FastAPI calls for each request."""
        found = {name for facts in self._closure.modules for name in facts.dependencies}
        for facts in self._closure.modules:
            for scope in facts.references:
                if isinstance(scope, ast.Lambda) or scope is None or not self._calls.is_repeated(scope):
                    continue
                for node in list_repeated(facts, scope):
                    if isinstance(node, ast.Call) and (name := facts.module.qualify(node.func)):
                        found.add(self._closure.follow_import(name))
        return found

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
    for node in list_nodes(function):
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store):
            stores += 1
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value is not None:
            targets = [node.target]
        else:
            continue
        values += [node.value for one in targets if isinstance(one, ast.Name) and one.id == name]
    return [one for one in values if one is not None] if len(values) == stores else []
