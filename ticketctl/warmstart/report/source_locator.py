"""Lines of the user's source, found by reading it: where a name is made, where a task is begun."""

import ast
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

BEGINNERS = {"create_task", "ensure_future", "run_coroutine_threadsafe", "start_soon"}
"""What tasks are begun with, in asyncio and in anyio."""


@lru_cache(maxsize=1024)
def find_assignment(file: str, names: tuple[str, ...]) -> int | None:
    """Return the line that gives the innermost of the names its value, within the classes that the others name.

    Where there are several the first one counts, None aside: that only keeps the place. A function that has the name
    keeps things in its cache, its defaults or its closure.
    """
    scope: ast.AST | None = _parsed(file)
    for name in names[:-1]:
        scope = _class(scope, name)
    if scope is None or not names:
        return None
    return min(_assignments(scope, names[-1]), default=None) or _function(scope, names[-1])


def find_task_start(file: str, coroutine: str) -> int | None:
    """Return the line that begins a task of the coroutine function with this name."""
    tree = _parsed(file)
    named = {coroutine, *_names_given(tree, coroutine)}
    for node in _walk(tree):
        if isinstance(node, ast.Call) and _name(node.func) in BEGINNERS:
            given = [*node.args, *(keyword.value for keyword in node.keywords)]
            called = [argument.func if isinstance(argument, ast.Call) else argument for argument in given]
            if not named.isdisjoint(map(_name, called)):
                return node.lineno
    return None


def is_endless(file: str, line: int) -> bool:
    """Whether the line stands in a loop that has no condition, whose task would never end by itself."""
    return any(
        isinstance(node, ast.While)
        and isinstance(node.test, ast.Constant)
        and node.test.value
        and node.lineno <= line <= (node.end_lineno or node.lineno)
        for node in _walk(_parsed(file))
    )


@lru_cache(maxsize=64)
def _parsed(file: str) -> ast.AST | None:
    try:
        return ast.parse(Path(file).read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):  # gone, or written for another Python
        return None


def _names_given(tree: ast.AST | None, coroutine: str) -> Iterator[str]:
    """Yield the variables that hold the coroutine on its way to a task."""
    for node in _walk(tree):
        if isinstance(node, ast.Assign) and _called(node.value) == coroutine:
            yield from filter(None, map(_name, node.targets))


def _called(node: ast.AST) -> str | None:
    return _name(node.func) if isinstance(node, ast.Call) else None


def _function(scope: ast.AST, name: str) -> int | None:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return next(
        (node.lineno for node in ast.walk(scope) if isinstance(node, functions) and node.name == name), None
    )


def _walk(tree: ast.AST | None) -> Iterator[ast.AST]:
    if tree is not None:
        yield from ast.walk(tree)


def _class(scope: ast.AST | None, name: str) -> ast.AST | None:
    return next((node for node in _walk(scope) if isinstance(node, ast.ClassDef) and node.name == name), None)


def _assignments(scope: ast.AST, name: str) -> Iterator[int]:
    """Yield the lines of `name = value`, of `self.name = value` and the like; not those of `name = None`."""
    for node in ast.walk(scope):
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr) and not _is_none(node.value):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(_name(part) == name for target in targets for part in getattr(target, "elts", [target])):
                yield node.lineno


def _is_none(value: ast.AST | None) -> bool:
    return value is None or (isinstance(value, ast.Constant) and value.value is None)


def _name(node: ast.AST | None) -> str | None:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None
