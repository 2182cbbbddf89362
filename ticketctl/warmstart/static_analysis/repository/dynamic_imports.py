"""Modules that code imports by a name which it makes up while it runs: plugins, handlers in a table, routers in a package."""

import ast
from collections.abc import Iterator

from ticketctl.warmstart.static_analysis.repository.source import DOTTED_NAME, SourceModule
from ticketctl.warmstart.static_analysis.repository.syntax import last_name

IMPORTERS = frozenset({"__import__", "importlib.__import__", "importlib.import_module"})
SEARCHES = frozenset({"pkgutil.iter_modules", "pkgutil.walk_packages"})
LOOKUPS = frozenset({"__dict__", "dir", "getattr", "getmembers", "vars"})
"""Names with which code goes through what a module defines."""
OWN_NAMES = frozenset({"__name__", "__package__", "__path__", "__file__", "__spec__"})
ANY = "*"
"""Stands for one part of a dotted name that the source does not show."""


def list_patterns(module: SourceModule) -> Iterator[str]:
    """Yield the dotted names, with ANY for unknown parts, of the modules that a file imports by a string."""
    if "importlib" not in {name.partition(".")[0] for name in module.imported_names.values()} and not any(
        "__import__" in line for line in module.lines
    ):
        return
    is_unknown = False
    for node in module.nodes:
        if not isinstance(node, ast.Call):
            continue
        name = _name_call(module, node)
        if name in IMPORTERS and node.args:
            text = _read_text(module, node.args[0])
            is_unknown |= text is None
            yield from [_complete(module, node, text)] if text else []
        elif name in SEARCHES and node.args:
            yield from _list_searched(module, node.args[0])
    if is_unknown:
        yield from _list_strings(module)


def imports_by_name(module: SourceModule, names: set[str]) -> bool:
    """Return whether one of the names that a function mentions is a function that imports by a string."""
    return bool(names & IMPORTERS) or f"{module.name}.__import__" in names


def list_looked_up(module: SourceModule) -> set[str]:
    """Return the attributes that a file looks up in a module by a string, as ".name"; ".*" for a name it does not show."""
    found: set[str] = set()
    for node in module.nodes:
        if isinstance(node, ast.Call) and last_name(node.func) == "getattr" and len(node.args) > 1:
            name = node.args[1]
            found.add(f".{name.value!s}" if isinstance(name, ast.Constant) else f".{ANY}")
        elif isinstance(node, ast.Name | ast.Attribute) and last_name(node) in LOOKUPS - {"getattr"}:
            found.add(f".{ANY}")
    return found


def _name_call(module: SourceModule, call: ast.Call) -> str:
    is_builtin = isinstance(call.func, ast.Name) and call.func.id == "__import__"
    return "__import__" if is_builtin else module.qualify(call.func)


def _read_text(module: SourceModule, value: ast.expr) -> str | None:
    """Return a string with ANY for its unknown parts; None if all of it is unknown."""
    text = ANY
    if isinstance(value, ast.Constant):
        text = str(value.value)
    elif isinstance(value, ast.JoinedStr):
        text = "".join(_read_text(module, one) or ANY for one in value.values)
    elif isinstance(value, ast.FormattedValue):
        return _read_text(module, value.value)
    elif isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):
        text = (_read_text(module, value.left) or ANY) + (_read_text(module, value.right) or ANY)
    elif isinstance(value, ast.BinOp) and isinstance(value.op, ast.Mod):
        text = (_read_text(module, value.left) or ANY).replace("%s", ANY)
    elif (
        isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr == "format"
    ):
        text = (_read_text(module, value.func.value) or ANY).replace("{}", ANY)
    elif isinstance(value, ast.Name) and value.id in OWN_NAMES:
        text = _own_package(module) if value.id != "__name__" or module.is_package else module.name
    elif isinstance(value, ast.Attribute) and value.attr == "__name__":  # package.__name__
        text = module.qualify(value.value) or ANY
    return None if not text.strip(ANY) else text


def _own_package(module: SourceModule) -> str:
    return module.name if module.is_package else module.name.rpartition(".")[0]


def _complete(module: SourceModule, call: ast.Call, text: str) -> str:
    """Return an absolute name for a relative one: import_module(".orders", package="shop")."""
    if not text.startswith("."):
        return text
    values = [*call.args[1:2], *(one.value for one in call.keywords if one.arg == "package")]
    package = _read_text(module, values[0]) if values else None
    return f"{package or _own_package(module)}.{text.lstrip('.')}"


def _list_searched(module: SourceModule, path: ast.expr) -> Iterator[str]:
    """Yield the modules that pkgutil finds in `__path__`, `package.__path__` or the folder of `__file__`."""
    for node in ast.walk(path):
        if isinstance(node, ast.Name) and node.id in {"__path__", "__file__"}:
            yield f"{_own_package(module)}.{ANY}".lstrip(".")
        elif isinstance(node, ast.Attribute) and node.attr == "__path__":
            name = module.qualify(node.value)
            is_variable = name == f"{module.name}.{last_name(node.value)}"
            yield from () if is_variable or not name else (f"{name}.{ANY}",)


def _list_strings(module: SourceModule) -> Iterator[str]:
    """Yield the strings that may name a module: "shop.orders", and "shop.orders:pay"."""
    for node in module.nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            name = node.value.partition(":")[0]
            if "." in name and DOTTED_NAME.fullmatch(name):
                yield name
