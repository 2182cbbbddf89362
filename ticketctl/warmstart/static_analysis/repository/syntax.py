"""Questions about syntax trees. Walks leave out what is no source of its own: contexts such as ast.Load, and operators."""

import ast
from collections.abc import Collection

LEAVES = frozenset(
    {"arg", "attr", "ctx", "id", "kind", "level", "lineno", "module", "op", "ops", "type_ignores"}
)
"""Fields without nodes, or whose nodes are one object for the whole program."""
_fields: dict[type[ast.AST], tuple[str, ...]] = {ast.Constant: ()}


def list_children(node: ast.AST) -> list[ast.AST]:
    """Return the direct children of a node."""
    kind = type(node)
    fields = _fields.get(kind)
    if fields is None:
        fields = _fields[kind] = tuple(name for name in kind._fields if name not in LEAVES)
    children: list[ast.AST] = []
    for name in fields:
        value = getattr(node, name, None)
        if isinstance(value, list):
            children += [one for one in value if isinstance(one, ast.AST)]
        elif isinstance(value, ast.AST):
            children.append(value)
    return children


def walk(tree: ast.AST) -> list[ast.AST]:
    """Return a node and every node below it, level by level."""
    nodes = [tree]
    for node in nodes:  # the list grows meanwhile
        nodes += list_children(node)
    return nodes


def last_name(node: ast.AST) -> str:
    """Return the last part of a dotted name; empty for any other expression."""
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def is_method_call(node: ast.AST, name: str, methods: Collection[str]) -> bool:
    """Return whether a node calls one of these methods of the object in a variable."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in methods
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == name
    )


def find_path(function: ast.AST, node: ast.AST) -> list[ast.AST]:
    """Return the nodes around a node, from its function inwards."""
    path: list[ast.AST] = [function]
    while True:
        following = next((one for one in list_children(path[-1]) if node in walk(one)), node)
        if following is node:
            return path
        path.append(following)


def is_conditional(function: ast.AST, node: ast.AST) -> bool:
    """Return whether a condition within the function, or an error, decides if code runs."""
    return any(
        isinstance(one, ast.If | ast.IfExp | ast.BoolOp | ast.Match | ast.ExceptHandler)
        for one in find_path(function, node)
    )
