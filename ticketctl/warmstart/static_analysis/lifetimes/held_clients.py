"""Clients that an object of the project's own class holds, which each invocation makes and drops again."""

import ast
from collections.abc import Iterator
from functools import lru_cache

from ticketctl.warmstart.static_analysis.facts.assignment_guards import has_once_guard
from ticketctl.warmstart.static_analysis.facts.escape_analysis import (
    list_all_assignments,
    list_globals,
    list_nodes,
    unwrap_await,
)
from ticketctl.warmstart.static_analysis.facts.import_closure import ImportClosure
from ticketctl.warmstart.static_analysis.facts.module_facts import CallSite, Facts, Function

MAX_MAKERS = 3
"""Functions that are followed from the one that makes an object to the one that drops it."""


def is_dropped_with_holder(closure: ImportClosure, site: CallSite) -> bool:
    """Return whether only one attribute of an object holds the client, and each invocation makes and drops that object.

    Code that closes an attribute of that name may close the client.
    """
    held = _find_attribute(closure, site)
    if held is None:
        return False
    owner, _, attribute = held.rpartition(".")
    facts = _list_owners(closure).get(owner)
    if (
        facts is None
        or not _is_plain(closure, facts, _list_classes(facts)[owner])
        or _is_passed_on(facts, attribute)
    ):
        return False
    if attribute in _list_closed_attributes(closure):
        return False
    return _is_made_and_dropped(closure, owner, MAX_MAKERS)


def _find_attribute(closure: ImportClosure, site: CallSite) -> str | None:
    """Return the identity of the attribute that the client is assigned to, or that a class keeps its argument in."""
    if site.owner is not None:
        target = site.target or ""
        return target if target.rpartition(".")[0] == site.owner else None
    function = site.function
    if function is None or isinstance(function, ast.Lambda):
        return None
    places = list(_list_places(function, site.call))
    if len(places) != 1 or not isinstance(places[0], ast.Call):
        return None
    handovers = (one for facts in closure.modules if facts.module is site.module for one in facts.handovers)
    for one in handovers:
        is_it = one.value is site.call or (site.target is not None and one.value == site.target)
        if is_it and one.callee == site.module.qualify(places[0].func):
            name = closure.follow_import(one.callee)
            for facts in closure.modules:
                identity = facts.keepers.get(name, {}).get(one.position)
                if identity is not None and identity.startswith(f"{name}."):
                    return identity
    return None


def _list_classes(facts: Facts) -> dict[str, ast.ClassDef]:
    """Return the classes at a module's top level by their qualified names."""
    return {
        f"{facts.module.name}.{one.name}": one
        for one in facts.module.tree.body
        if isinstance(one, ast.ClassDef)
    }


def _is_plain(closure: ImportClosure, facts: Facts, node: ast.ClassDef) -> bool:
    """Return whether each call of a class makes an object, as it does without a decorator, a metaclass or __new__()."""
    names = [f"{facts.module.name}.{node.name}", *map(facts.module.qualify, node.bases)]
    own = {owner for other in closure.modules for owner, _ in other.methods.get(".__new__", ())}
    return not node.decorator_list and not node.keywords and not own & set(map(closure.follow_import, names))


def _is_passed_on(facts: Facts, attribute: str) -> bool:
    """Return whether the module uses an attribute of this name as a value, except to test it or to use its own attributes."""
    parts: set[int] = set()
    for node in facts.module.nodes:
        if isinstance(node, ast.Attribute):
            parts.add(id(node.value))
        elif isinstance(node, ast.Compare):
            parts |= {id(one) for one in (node.left, *node.comparators)}
        elif isinstance(node, ast.UnaryOp):
            parts.add(id(node.operand))
        elif isinstance(node, ast.If | ast.IfExp):
            parts.add(id(node.test))
    return any(
        isinstance(node, ast.Attribute)
        and node.attr == attribute
        and isinstance(node.ctx, ast.Load)
        and id(node) not in parts
        for node in facts.module.nodes
    )


def _is_made_and_dropped(closure: ImportClosure, name: str, depth: int) -> bool:
    """Return whether an invocation calls a class or function, and nothing keeps what it returns."""
    if any(closure.follow_import(one) == name for facts in closure.modules for one in facts.dependencies):
        return True
    for scope, call in _list_calls(closure).get(name, ()):
        places = list(_list_places(scope, call))
        if not places:
            return True
        maker = closure.graph.name_of(scope)
        is_returned = all(isinstance(one, ast.Return) for one in places) and not scope.decorator_list
        if is_returned and maker and depth and _is_made_and_dropped(closure, maker, depth - 1):
            return True
    return False


@lru_cache(maxsize=1)
def _list_calls(closure: ImportClosure) -> dict[str, list[tuple[Function, ast.Call]]]:
    """Return the calls in an invocation, under no condition that makes them happen once, by what they call."""
    found: dict[str, list[tuple[Function, ast.Call]]] = {}
    for facts in closure.modules:
        for scope in facts.references:
            if scope is None or isinstance(scope, ast.Lambda) or scope not in closure.handled:
                continue
            calls = [one for one in list_nodes(scope) if isinstance(one, ast.Call)]
            for call in () if has_once_guard(scope) else calls:
                name = closure.follow_import(facts.module.qualify(call.func))
                found.setdefault(name, []).append((scope, call))
    return found


@lru_cache(maxsize=1)
def _list_closed_attributes(closure: ImportClosure) -> frozenset[str]:
    """Return the last parts of the names of what any code closes."""
    closings = (one for facts in closure.modules for one in facts.closings)
    return frozenset((one.identity or "").rpartition(".")[2] for one in closings)


@lru_cache(maxsize=1)
def _list_owners(closure: ImportClosure) -> dict[str, Facts]:
    """Return the modules by the classes at their top level."""
    return {name: facts for facts in closure.modules for name in _list_classes(facts)}


def _list_places(function: Function, call: ast.Call) -> Iterator[ast.AST]:
    """Yield what takes the result of a call out of the function: a return, another call, a container, an attribute."""
    nodes = list_nodes(function)
    pairs = list_all_assignments(function)
    names = {target.id for target, value in pairs if value is call and isinstance(target, ast.Name)}

    def is_it(value: ast.expr | None) -> bool:
        value = unwrap_await(value) if value is not None else None
        return value is call or (isinstance(value, ast.Name) and value.id in names)

    for target, value in pairs:
        is_local = isinstance(target, ast.Name) and target.id not in list_globals(function)
        if is_it(value) and not (is_local and value is call):
            yield target
    for node in nodes:
        if any(map(is_it, _list_values(node))):
            yield node


def _list_values(node: ast.AST) -> list[ast.expr | None]:
    """Return the values that a node takes elsewhere."""
    if isinstance(node, ast.Return | ast.Yield):
        return [node.value]
    if isinstance(node, ast.Call):
        return [*node.args, *(one.value for one in node.keywords)]
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        return [*node.elts]
    if isinstance(node, ast.Dict):
        return [*node.values]
    if isinstance(node, ast.With | ast.AsyncWith):
        return [item.context_expr for item in node.items]
    return []
