"""Where the results of a function's calls go: which of them outlive it, and with what."""

import ast
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TypeAlias

from ticketctl.warmstart.static_analysis import known_names
from ticketctl.warmstart.static_analysis.project import Module

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


def kept_by(function: Function, module: Module, at_top: set[str]) -> Iterator[ast.Call]:
    """Yield the calls whose results a function puts away for later: by being cached, or where others find them.

    `at_top`: the names of the module's top level.
    """
    cached = any(
        module.dotted(one.func if isinstance(one, ast.Call) else one) in known_names.CACHES
        for one in function.decorator_list
    )
    declared = {name for node in _nodes(function) if isinstance(node, ast.Global) for name in node.names}
    outside = declared | {"cls"} | (at_top - _locals(function)) | _shared_defaults(function)
    for node in _nodes(function):
        if isinstance(node, ast.Return) and cached and isinstance(node.value, ast.Call):
            yield node.value
        for target, value in _assignments(node):
            if isinstance(value, ast.Call) and (cached or _is_put_away(target, declared, outside)):
                yield value


@lru_cache(maxsize=8)
def _nodes(tree: ast.AST) -> Sequence[ast.AST]:
    """Return a tree's nodes, which several questions in turn are asked of."""
    return tuple(ast.walk(tree))


def _is_put_away(target: ast.expr, declared: set[str], outside: set[str]) -> bool:
    """Whether assigning to the target leaves something behind when the function has ended."""
    if isinstance(target, ast.Tuple):
        return any(_is_put_away(one, declared, outside) for one in target.elts)
    if isinstance(target, ast.Name):
        return target.id in declared
    # what has another key each time, as a loop of its own, is not met again
    fixed = not isinstance(target, ast.Subscript) or isinstance(target.slice, ast.Constant)
    return _root(target) in (outside if fixed else declared)


def _root(target: ast.expr) -> str | None:
    while isinstance(target, ast.Attribute | ast.Subscript):
        target = target.value
    return target.id if isinstance(target, ast.Name) else None


def names_at_top(module: Module) -> set[str]:
    """Return the names that the module's top level gives to something, imports included."""
    found = set(module.names)
    waiting: list[ast.AST] = [module.tree] if module.tree else []
    while waiting:
        for node in ast.iter_child_nodes(waiting.pop()):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                found.add(node.name)
            else:
                found |= (
                    {node.id} if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) else set()
                )
                waiting.append(node)
    return found


def _locals(function: Function) -> set[str]:
    arguments = {one.arg for one in _nodes(function) if isinstance(one, ast.arg)}
    return arguments | {
        one.id for one in _nodes(function) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)
    }


def _shared_defaults(function: Function) -> set[str]:
    """Return the arguments whose default is one dictionary or list for all calls."""
    arguments = [*function.args.posonlyargs, *function.args.args]
    with_default = zip(arguments[::-1], function.args.defaults[::-1], strict=False)
    return {one.arg for one, default in with_default if isinstance(default, ast.Dict | ast.List)}


def held_by_instance(function: Function) -> Iterator[ast.Call]:
    """Yield the calls whose results a method keeps on its instance."""
    first = next(iter(function.args.args), None)
    for node in _nodes(function):
        for target, value in _assignments(node):
            parts = target.elts if isinstance(target, ast.Tuple) else [target]
            on_self = first and any(
                isinstance(one, ast.Attribute) and _root(one) == first.arg for one in parts
            )
            if on_self and isinstance(value, ast.Call):
                yield value


def held_by_closure(function: Function) -> Iterator[ast.Call]:
    """Yield the calls whose results an inner function keeps in variables of the function around it."""
    shared = {name for node in _nodes(function) if isinstance(node, ast.Nonlocal) for name in node.names}
    for node in _nodes(function) if shared else ():
        for target, value in _assignments(node):
            if isinstance(target, ast.Name) and target.id in shared and isinstance(value, ast.Call):
                yield value


def handed_out(function: Function) -> Iterator[ast.Call]:
    """Yield the calls whose results a function returns."""
    returned = [_awaited(node.value) for node in _nodes(function) if isinstance(node, ast.Return)]
    names = {one.id for one in returned if isinstance(one, ast.Name)}
    yield from (one for one in returned if isinstance(one, ast.Call))
    for node in _nodes(function):
        for target, value in _assignments(node):
            if isinstance(target, ast.Name) and target.id in names and isinstance(value, ast.Call):
                yield value


def names_of(tree: ast.Module) -> dict[int, str]:
    """Return the last part of the name that each call's result is given, by the call's id."""
    return {
        id(value): name
        for node in _nodes(tree)
        for target, value in _assignments(node)
        if isinstance(value, ast.Call) and (name := _last(target))
    }


def closed_at_the_end(tree: ast.Module) -> Iterator[str]:
    """Yield the last part of the name of whatever is closed in a `finally`, or where a context ends."""
    for node in _nodes(tree):
        ending: list[ast.stmt] = []
        if isinstance(node, ast.Try):
            ending = node.finalbody
        elif isinstance(node, ast.AsyncFunctionDef) and node.name == "__aexit__":
            ending = node.body
        for one in (one for statement in ending for one in ast.walk(statement)):
            if isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute):
                name = _last(one.func.value)
                if name and one.func.attr in known_names.CLOSERS:
                    yield name


def _last(target: ast.expr) -> str | None:
    if isinstance(target, ast.Attribute):
        return target.attr
    return target.id if isinstance(target, ast.Name) else None


def makes_singleton(function: Function) -> bool:
    """Whether a method keeps the instance that it makes on its own class."""
    return any(
        isinstance(target, ast.Attribute) and _root(target) == "cls" and _makes_instance(value)
        for node in _nodes(function)
        for target, value in _assignments(node)
    )


def _makes_instance(value: ast.expr | None) -> bool:
    if not isinstance(value, ast.Call):
        return False
    called = value.func
    return (isinstance(called, ast.Name) and called.id == "cls") or (
        isinstance(called, ast.Attribute) and called.attr == "__new__"
    )


def _assignments(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr | None]]:
    if isinstance(node, ast.Assign):
        yield from ((target, _awaited(node.value)) for target in node.targets)
    elif isinstance(node, ast.AnnAssign | ast.NamedExpr):
        yield node.target, _awaited(node.value)


def _awaited(value: ast.expr | None) -> ast.expr | None:
    """Look through `await`, and through the way things are made on first use: `one = one or await connect()`."""
    if isinstance(value, ast.BoolOp):
        value = value.values[-1]
    return value.value if isinstance(value, ast.Await) else value
