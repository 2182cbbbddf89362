"""Lines of the user's source, located by parsing it: where a name gets its value, where a task is started."""

import ast
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

TASK_STARTERS = {"create_task", "ensure_future", "run_coroutine_threadsafe", "start_soon"}
"""Functions of asyncio and anyio that start tasks."""
INSERTIONS = {"add", "append", "appendleft", "insert", "put", "put_nowait", "setdefault"}
"""Methods of containers whose last argument is put into them."""


@lru_cache(maxsize=1024)
def find_assignment(file: str, names: tuple[str, ...]) -> int | None:
    """Return the line that assigns the last of the names, inside the classes that the other names refer to.

    Of several lines the first counts; assigning None only declares the name. A function with that name keeps objects
    in its default arguments or its closure: then the line of its `def` is returned; a cached one keeps what it returns.
    """
    scope = _find_scope(file, names)
    if scope is None:
        return None
    return min(_assignment_lines(scope, names[-1]), default=None) or _find_function(scope, names[-1])


@lru_cache(maxsize=1024)
def find_insertion(file: str, names: tuple[str, ...]) -> int | None:
    """Return the line that makes what is put into the container with this name; None where nothing is put there."""
    if _find_scope(file, names) is None:
        return None
    tree = _parse(file)
    for function in [*filter(_is_function, _walk(tree)), tree]:
        for node in _walk(function):
            if value := _inserted_value(node, names[-1]):
                return _creation_line(value, function)
    return None


def is_dictionary(file: str, names: tuple[str, ...]) -> bool:
    """Return whether the last of the names starts as a dictionary: `{}`, `dict()`, `defaultdict(...)` and the like."""
    scope = _find_scope(file, names)
    values = _assigned_values(scope, names[-1]) if scope is not None else ()
    return any(
        isinstance(value, ast.Dict)
        or (isinstance(value, ast.Call) and (_last_name(value.func) or "").lower().endswith("dict"))
        for value in values
    )


def _find_scope(file: str, names: tuple[str, ...]) -> ast.AST | None:
    """Return the innermost of the classes that the names refer to, or the module."""
    scope: ast.AST | None = _parse(file)
    for name in names[:-1]:
        scope = _find_class(scope, name)
    return scope if names else None


def _inserted_value(node: ast.AST, name: str) -> ast.expr | None:
    """Return the value of `name[...] = value`, `name.append(value)` and the like."""
    if isinstance(node, ast.Assign) and not _is_none(node.value):
        for target in node.targets:
            if isinstance(target, ast.Subscript) and _last_name(target.value) == name:
                return node.value
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in INSERTIONS
        and _last_name(node.func.value) == name
        and node.args
    ):
        return node.args[-1]
    return None


def _creation_line(value: ast.expr, function: ast.AST | None) -> int:
    """Return the line of a value; that of the assignment where it is a variable of the function."""
    if isinstance(value, ast.Name) and function is not None:
        return min(_assignment_lines(function, value.id), default=value.lineno)
    return value.lineno


@lru_cache(maxsize=1024)
def find_import(file: str, name: str) -> int | None:
    """Return the line of the import that binds a name."""
    for node in _walk(_parse(file)):
        if isinstance(node, ast.Import | ast.ImportFrom) and any(
            name == (alias.asname or alias.name.partition(".")[0]) for alias in node.names
        ):
            return node.lineno
    return None


def find_task_start(file: str, coroutine: str) -> int | None:
    """Return the line that starts a task of the coroutine function with this name."""
    tree = _parse(file)
    names = {coroutine, *_variable_names(tree, coroutine)}
    for node in _walk(tree):
        if isinstance(node, ast.Call) and _last_name(node.func) in TASK_STARTERS:
            values = [*node.args, *(keyword.value for keyword in node.keywords)]
            functions = [value.func if isinstance(value, ast.Call) else value for value in values]
            if not names.isdisjoint(map(_last_name, functions)):
                return node.lineno
    return None


def find_closing(file: str) -> int | None:
    """Return the first line that closes an object: in a finally block, by a with statement, else anywhere."""
    tree = _parse(file)
    final = [
        part
        for node in _walk(tree)
        if isinstance(node, ast.Try)
        for statement in node.finalbody
        for part in ast.walk(statement)
    ]
    managed = [
        item.context_expr.lineno
        for node in _walk(tree)
        if isinstance(node, ast.With | ast.AsyncWith)
        for item in node.items
        if isinstance(item.context_expr, ast.Name | ast.Attribute)
    ]
    return (
        min(_closing_lines(final), default=None)
        or min(managed, default=None)
        or min(_closing_lines(_walk(tree)), default=None)
    )


def _closing_lines(nodes: Iterable[ast.AST]) -> Iterator[int]:
    for node in nodes:
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in {"aclose", "close", "disconnect", "shutdown", "terminate"}
        ):
            yield node.lineno


def read_line(folder: Path | None, place: str) -> str:
    """Return the source of a place as `file:line`; empty if it cannot be read."""
    name, _, number = place.rpartition(":")
    try:
        return ((folder or Path()) / name).read_text("utf-8", "replace").splitlines()[int(number) - 1]
    except (OSError, ValueError, IndexError):
        return ""


def is_endless(file: str, line: int) -> bool:
    """Return whether the line is in a `while True` loop: its task would never end by itself."""
    return any(
        isinstance(node, ast.While)
        and isinstance(node.test, ast.Constant)
        and node.test.value
        and node.lineno <= line <= (node.end_lineno or node.lineno)
        for node in _walk(_parse(file))
    )


@lru_cache(maxsize=64)
def _parse(file: str) -> ast.AST | None:
    try:
        return ast.parse(Path(file).read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):  # gone, or written for another Python
        return None


def _variable_names(tree: ast.AST | None, coroutine: str) -> Iterator[str]:
    """Yield the variables that hold the coroutine before a task is made of it."""
    for node in _walk(tree):
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Call)
            and _last_name(node.value.func) == coroutine
        ):
            yield from filter(None, map(_last_name, node.targets))


def _find_function(scope: ast.AST, name: str) -> int | None:
    for node in ast.walk(scope):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
            return (_is_cached(node) and _find_return(node)) or node.lineno
    return None


def _is_function(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


def _is_cached(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    decorators = [one.func if isinstance(one, ast.Call) else one for one in function.decorator_list]
    return any("cache" in (_last_name(one) or "") for one in decorators)


def _find_return(function: ast.AST) -> int | None:
    """Return the line that makes what a function returns."""
    for node in ast.walk(function):
        if isinstance(node, ast.Return) and node.value is not None and not _is_none(node.value):
            return _creation_line(node.value, function)
    return None


def _walk(tree: ast.AST | None) -> Iterator[ast.AST]:
    if tree is not None:
        yield from ast.walk(tree)


def _find_class(scope: ast.AST | None, name: str) -> ast.AST | None:
    return next((node for node in _walk(scope) if isinstance(node, ast.ClassDef) and node.name == name), None)


def _assignment_lines(scope: ast.AST, name: str) -> Iterator[int]:
    """Yield the lines of `name = value`, `self.name = value` and the like; not those of `name = None`."""
    for node, _ in _assignments(scope, name):
        yield node.lineno


def _assigned_values(scope: ast.AST, name: str) -> Iterator[ast.expr]:
    for _, value in _assignments(scope, name):
        yield value


def _assignments(scope: ast.AST, name: str) -> Iterator[tuple[ast.stmt | ast.expr, ast.expr]]:
    """Yield the assignments to a name with their values, except None."""
    for node in ast.walk(scope):
        if (
            isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr)
            and node.value
            and not _is_none(node.value)
        ):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(
                _last_name(part) == name for target in targets for part in getattr(target, "elts", [target])
            ):
                yield node, node.value


def _is_none(value: ast.AST | None) -> bool:
    return value is None or (isinstance(value, ast.Constant) and value.value is None)


def _last_name(node: ast.AST | None) -> str | None:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None
