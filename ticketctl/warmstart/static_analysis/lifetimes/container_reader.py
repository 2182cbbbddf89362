"""The lists, dictionaries and sets that modules, classes and default arguments make.

A container's identity is "module.NAME" for a variable, "module.Class.name" for an attribute of a class or of its
instances, and "module.function:argument" for a default argument.
"""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ticketctl.warmstart.static_analysis.facts.escape_analysis import (
    FUNCTIONS,
    list_all_assignments,
    list_assignments,
    list_globals,
    list_nodes,
)
from ticketctl.warmstart.static_analysis.facts.module_facts import Function, is_main_guard
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


def is_bounded_deque(call: ast.Call) -> bool:
    """Return whether a call of deque() is passed a maximum length."""
    return len(call.args) > 1 or any(one.arg == "maxlen" for one in call.keywords)


@lru_cache(maxsize=1024)
def read_containers(module: SourceModule) -> dict[str, Container]:
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
            yield from _list_made_on_first_use(statement, owner)
            if is_class and statement.name in {"__init__", "__new__"}:
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


def _list_of_instance(function: Function, owner: str) -> Iterator[tuple[str, Container]]:
    """Yield the attributes that `__init__` sets on `self`, and `__new__` on the instance that it has made."""
    for target, value in list_all_assignments(function):
        if not isinstance(target, ast.Attribute) or not (kind := find_kind(value)):
            continue
        holder = last_name(target.value)
        if holder == "self" if function.name == "__init__" else holder != "cls":
            yield f"{owner}.{target.attr}", Container(kind, owner)


def _list_made_on_first_use(function: Function, owner: str) -> Iterator[tuple[str, Container]]:
    """Yield the globals, if `owner` is a module, and the attributes that a function or method makes if they are missing."""
    for target, kind in list_made_on_first_use(function).items():
        if isinstance(target, ast.Name) and target.id in list_globals(function):
            yield f"{owner}.{target.id}", Container(kind)
        elif isinstance(target, ast.Attribute) and last_name(target.value) == "self":
            yield f"{owner}.{target.attr}", Container(kind, owner)


@lru_cache(maxsize=FUNCTIONS)
def list_made_on_first_use(function: Function) -> dict[ast.expr, str]:
    """Return what a function sets to a container where it is missing, as `if log is None: log = []` does, with the kinds."""
    found: dict[ast.expr, str] = {}
    for node in list_nodes(function):
        if isinstance(node, ast.If) and (missing := _name_missing(node.test)):
            pairs = [pair for one in node.body for pair in list_assignments(one)]
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.BoolOp):
            pairs = list(list_assignments(node))
            missing = ast.unparse(node.value.values[0])
        else:
            continue
        for target, value in pairs:
            if ast.unparse(target) == missing and (kind := find_kind(value)):
                found[target] = kind
    return found


def _name_missing(test: ast.expr) -> str | None:
    """Return the source of the variable or attribute that a condition asks for: `x is None`, `not x`, `not hasattr(a, "x")`."""
    match test:
        case ast.Compare(left=one, ops=[ast.Is()]):
            return ast.unparse(one)
        case ast.UnaryOp(
            op=ast.Not(), operand=ast.Call(func=ast.Name("hasattr"), args=[owner, ast.Constant(str(name))])
        ):
            return f"{ast.unparse(owner)}.{name}"
        case ast.UnaryOp(op=ast.Not(), operand=one):
            return ast.unparse(one)
    return None
