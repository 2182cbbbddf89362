"""Tells an object that is created once, behind a condition on its variable, from one that each call creates."""

import ast
from collections.abc import Callable

from ticketctl.warmstart.static_analysis.facts import Scope


def is_guarded(scope: Scope, target: str, identify: Callable[[ast.expr], str | None]) -> bool:
    """Return whether a condition in the function tests the variable before it is assigned.

    `target` is the variable's identity, and `identify` returns the identity of a node or None.
    """
    if target.startswith("return:") or _is_init(scope):
        return True
    container = target.removesuffix("[]")
    for node in ast.walk(scope):
        if isinstance(node, ast.If | ast.IfExp | ast.While):
            tests = [node.test]
        elif isinstance(node, ast.BoolOp):
            tests = node.values[:-1]
        else:
            continue
        for part in (one for test in tests for one in ast.walk(test)):
            if isinstance(part, ast.Name | ast.Attribute | ast.Subscript):
                identity = identify(part)
                if identity is not None and identity.removesuffix("[]") in (target, container):
                    return True
    return False


def _is_init(scope: Scope) -> bool:
    """Return whether a function is a constructor, which runs once for each instance."""
    return isinstance(scope, ast.FunctionDef) and scope.name == "__init__"
