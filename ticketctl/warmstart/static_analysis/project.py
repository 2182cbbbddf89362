"""A folder of Python source: its modules, and which of them a handler's import brings in."""

import ast
import tokenize
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

SKIPPED = frozenset({"__pycache__", "build", "dist", "node_modules", "site-packages", "dist-packages"})
TESTS = frozenset({"test", "tests"})
DEPTH = 200
"""Levels of a syntax tree that are walked; source that people write has some twenty."""
LAYOUTS = ("", "src")
"""Folders below the project's that are known to be put on sys.path."""


class HandlerNotFoundError(Exception):
    """The handler's module is not in the folder."""


@dataclass(frozen=True)
class Module:
    """One file. `tree` is None where this Python cannot read it, and `problem` says why, at `line`."""

    name: str
    file: str
    tree: ast.Module | None
    problem: str = ""
    line: int = 1

    @property
    def package(self) -> str:
        """What a relative import starts from."""
        return self.name if self.file.endswith("__init__.py") else self.name.rpartition(".")[0]

    @cached_property
    def names(self) -> Mapping[str, str]:
        """What each imported name stands for, wherever in the file it is imported."""
        found: dict[str, str] = {}
        for node in ast.walk(self.tree or ast.Module([], [])):
            if isinstance(node, ast.Import):
                found |= {
                    (alias.asname or alias.name.partition(".")[0]): (
                        alias.name if alias.asname else alias.name.partition(".")[0]
                    )
                    for alias in node.names
                }
            elif isinstance(node, ast.ImportFrom):
                origin = self._origin(node)
                found |= {alias.asname or alias.name: f"{origin}.{alias.name}" for alias in node.names}
        return found

    def imports(self) -> Iterator[str]:
        """Every dotted name that an import mentions; the last part may be a module or something in one."""
        for node in ast.walk(self.tree or ast.Module([], [])):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                origin = self._origin(node)
                yield from (f"{origin}.{alias.name}" for alias in node.names)

    def _origin(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        parts = self.package.split(".")
        base = parts[: len(parts) - node.level + 1]
        return ".".join([*base, *([node.module] if node.module else [])])

    def dotted(self, expression: ast.expr) -> str:
        """The whole name that an expression like `a.b.c` stands for; empty for any other."""
        if isinstance(expression, ast.Name):
            return self.names.get(expression.id, f"{self.name}.{expression.id}")
        if isinstance(expression, ast.Attribute):
            before = self.dotted(expression.value)
            return before and f"{before}.{expression.attr}"
        return ""


class Project:
    """The modules below a folder, by the names under which they can be imported."""

    def __init__(self, modules: Iterable[Module]) -> None:
        self.modules = {module.name: module for module in modules}

    def handler_module(self, handler: str) -> Module:
        """The module of "module:function" or "folder/module.function". Raises HandlerNotFoundError."""
        name = (handler.partition(":")[0] if ":" in handler else handler.rpartition(".")[0]).replace("/", ".")
        if name not in self.modules:
            raise HandlerNotFoundError(f"there is no module {name or handler!r} in the folder")
        return self.modules[name]

    def reached(self, root: Module) -> Sequence[Module]:
        """The module, and all that its import brings in, in the order of their names."""
        reached: dict[str, Module] = {}
        waiting = [root]
        while waiting:
            module = waiting.pop()
            if module.name not in reached:
                reached[module.name] = module
                waiting += [self.modules[name] for name in self._imported(module)]
        return [reached[name] for name in sorted(reached)]

    def _imported(self, module: Module) -> set[str]:
        """The modules that an import runs: each package on the way as well."""
        return {name for imported in module.imports() for name in _prefixes(imported) if name in self.modules}


def _prefixes(name: str) -> Iterator[str]:
    parts = name.split(".")
    return (".".join(parts[:end]) for end in range(1, len(parts) + 1))


def read(folder: Path) -> Project:
    """Read every Python file below the folder; virtual environments, hidden folders and build output aside."""
    return Project(_module(folder, path) for path in _files(folder))


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name in SKIPPED:
            continue
        if path.is_dir() and not path.is_symlink():
            if not (path / "pyvenv.cfg").exists():
                yield from _files(path)
        elif path.suffix == ".py":
            yield path


def _module(folder: Path, path: Path) -> Module:
    file = str(path.relative_to(folder))
    parts = list(path.relative_to(folder).with_suffix("").parts)
    if parts[0] in LAYOUTS and len(parts) > 1:
        parts = parts[1:]
    if parts[-1] == "__init__":
        parts = parts[:-1]
    name = ".".join(parts)
    try:
        with tokenize.open(path) as source:
            return Module(name, file, _shallow(ast.parse(source.read())))
    except RecursionError:
        return Module(name, file, None, "its expressions are nested too deeply")
    except (SyntaxError, UnicodeDecodeError, ValueError, OSError) as error:
        return Module(name, file, None, str(error), getattr(error, "lineno", None) or 1)


def _shallow(tree: ast.Module) -> ast.Module:
    """Refuse with RecursionError what a visitor, which takes some frames for each level, could not walk."""
    level: list[ast.AST] = [tree]
    for _ in range(DEPTH):
        level = [below for node in level for below in ast.iter_child_nodes(node)]
        if not level:
            return tree
    raise RecursionError


def is_test(module: Module) -> bool:
    """Whether the file is a test's, which no handler runs."""
    path = Path(module.file)
    return bool(TESTS & set(path.parts)) or path.name.startswith("test_") or path.name == "conftest.py"
