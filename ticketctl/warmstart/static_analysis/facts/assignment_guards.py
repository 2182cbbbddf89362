"""Tells an object that is created once, behind a condition on its variable, from one that each call creates."""

import ast
from collections.abc import Callable
from functools import lru_cache

from ticketctl.warmstart.static_analysis.facts.escape_analysis import list_globals, list_nodes
from ticketctl.warmstart.static_analysis.facts.module_facts import Scope
from ticketctl.warmstart.static_analysis.repository.syntax import walk


def is_guarded(scope: Scope, target: str, identify: Callable[[ast.expr], str | None]) -> bool:
    """Return whether a condition in the function tests the variable before it is assigned.

    `target` is the variable's identity, and `identify` returns the identity of a node or None.
    """
    if target.startswith("return:") or _is_init(scope):
        return True
    container = target.removesuffix("[]")
    for part in _list_tested(scope):
        identity = identify(part)
        if identity is not None and identity.removesuffix("[]") in (target, container):
            return True
    return False


def has_once_guard(scope: Scope) -> bool:
    """Return whether a condition in the function tests a global that the function itself sets: `if done: return`."""
    if isinstance(scope, ast.Lambda):
        return False
    declared = list_globals(scope)
    return any(isinstance(part, ast.Name) and part.id in declared for part in _list_tested(scope))


@lru_cache(maxsize=256)
def _list_tested(scope: Scope) -> tuple[ast.expr, ...]:
    """Return the variables and attributes that conditions in a function test."""
    parts: list[ast.expr] = []
    for node in list_nodes(scope):
        if isinstance(node, ast.If | ast.IfExp | ast.While):
            tests = [node.test]
        elif isinstance(node, ast.BoolOp):
            tests = node.values[:-1]
        else:
            continue
        parts += [
            one
            for test in tests
            for one in walk(test)
            if isinstance(one, ast.Name | ast.Attribute | ast.Subscript)
        ]
    return tuple(parts)


def _is_init(scope: Scope) -> bool:
    """Return whether a function is a constructor, which runs once for each instance."""
    return isinstance(scope, ast.FunctionDef) and scope.name == "__init__"
