"""One Python source file: its syntax tree, and the qualified names that its expressions stand for."""

import ast
import re
import tokenize
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path

from ticketctl.warmstart.static_analysis.repository import newer_syntax
from ticketctl.warmstart.static_analysis.repository.syntax import list_children

MAX_DEPTH = 200
"""Levels of a syntax tree that are analyzed; hand-written source has about twenty."""

DOTTED_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")

Resolve = Callable[["SourceModule", str, str], str]
"""Map an absolute dotted name in an import of a module to the qualified name of what it refers to.

The last argument is what the import takes from there, "" if nothing: `orders` in `from shop import orders`.
"""


class SourceModule:
    """One file of a project.

    name: the path as a dotted name, from the project's folder; unique within the project.
    file: the path relative to the project's folder.
    nodes: every node of the tree, level by level.
    loaded_by_name: the project's modules that it may import by a string, once the project has looked for them.
    tree: the syntax tree; empty if this Python cannot parse the file, and then `error` says why, at `error_line`.
    """

    def __init__(self, folder: Path, path: Path, resolve: Resolve) -> None:
        relative = path.relative_to(folder)
        parts = relative.with_suffix("").parts
        self.is_package = parts[-1] == "__init__"
        self.name = ".".join(parts[:-1] if self.is_package else parts)
        self.file = str(relative)
        self.path = path
        self.error = ""
        self.error_line = 1
        self.lines: list[str] = []
        self.loaded_by_name: tuple[SourceModule, ...] = ()
        self._resolve = resolve
        self.nodes: tuple[ast.AST, ...] = ()
        self.tree = self._parse()

    @property
    def is_newer_python(self) -> bool:
        """Return whether the file may be right on a newer Python than the one that cannot parse it."""
        return bool(self.error) and newer_syntax.is_newer(
            self.error, self.lines[self.error_line - 1 : self.error_line]
        )

    def _parse(self) -> ast.Module:
        text = ""
        try:
            with tokenize.open(self.path) as source:
                text = source.read()
            self.lines = text.splitlines()
            return self._parse_text(text)
        except (SyntaxError, UnicodeDecodeError, ValueError, OSError) as error:
            self.error, self.error_line = str(error), getattr(error, "lineno", None) or 1
        if self.is_newer_python:
            try:
                tree = self._parse_text(newer_syntax.simplify(text))
            except (SyntaxError, ValueError):
                pass
            else:
                self.error = ""
                return tree
        return ast.Module([], [])

    def _parse_text(self, text: str) -> ast.Module:
        try:
            tree = ast.parse(text)
            self.nodes = _list_nodes(tree)
        except RecursionError:
            self.error = "its expressions are nested too deeply"
            return ast.Module([], [])
        return tree

    @cached_property
    def imported_names(self) -> Mapping[str, str]:
        """The qualified name that each imported name stands for, wherever in the file it is imported."""
        found: dict[str, str] = {}
        for node in self.nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    if alias.asname:
                        found[alias.asname] = self._resolve(self, alias.name, "")
                    else:
                        first, _, below = alias.name.partition(".")
                        found[first] = self._resolve(self, first, below)
            elif isinstance(node, ast.ImportFrom):
                origin = self._origin(node)
                found |= {alias.asname or alias.name: f"{origin}.{alias.name}" for alias in node.names}
        return found

    @cached_property
    def star_imports(self) -> tuple[str, ...]:
        """The qualified names of modules whose names are all imported: `from db import *`."""
        return tuple(
            self._origin(node)
            for node in self.nodes
            if isinstance(node, ast.ImportFrom) and node.names[0].name == "*"
        )

    def list_imports(self) -> Iterator[tuple[str, bool]]:
        """Yield each absolute dotted name that an import mentions, and whether the import was relative.

        The last part of a name may be a module or a name within one.
        """
        for node in self.nodes:
            if isinstance(node, ast.Import):
                yield from ((alias.name, False) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = self._relative_base(node)
                origin = (
                    ".".join(filter(None, [base, node.module])) if base is not None else node.module or ""
                )
                yield from (
                    (origin if alias.name == "*" else f"{origin}.{alias.name}", base is not None)
                    for alias in node.names
                )

    @cached_property
    def searched_packages(self) -> tuple[str, ...]:
        """The strings that may name a package whose modules the file looks up and imports, as pkgutil does."""
        names = set(self.imported_names.values())
        if not names & {"pkgutil", "pkgutil.iter_modules", "pkgutil.walk_packages"} or not names & {
            "importlib",
            "importlib.import_module",
        }:
            return ()
        return tuple(
            node.value
            for node in self.nodes
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and DOTTED_NAME.fullmatch(node.value)
        )

    def _origin(self, node: ast.ImportFrom) -> str:
        base = self._relative_base(node)
        if base is None:
            return self._resolve(self, node.module or "", node.names[0].name)
        return ".".join(filter(None, [base, node.module]))

    def _relative_base(self, node: ast.ImportFrom) -> str | None:
        """Return the package that a relative import starts from; None for an absolute import."""
        if not node.level:
            return None
        package = self.name if self.is_package else self.name.rpartition(".")[0]
        parts = package.split(".") if package else []
        return ".".join(parts[: max(0, len(parts) - node.level + 1)])

    def qualify(self, expression: ast.expr) -> str:
        """Return the qualified name that an expression like `a.b.c` stands for; empty for other expressions.

        A chain of calls that ends in `.build`, as in `Builder().token(t).build`, is named after the builder.
        """
        if isinstance(expression, ast.Name):
            return self.imported_names.get(expression.id) or f"{self.name}.{expression.id}"
        if isinstance(expression, ast.Attribute):
            if expression.attr == "build" and isinstance(expression.value, ast.Call):
                before = self.qualify(_find_first_call(expression.value))
            else:
                before = self.qualify(expression.value)
            return before and f"{before}.{expression.attr}"
        return ""

    @cached_property
    def top_level_names(self) -> frozenset[str]:
        """The names that the module's top level binds, imports included."""
        found = set(self.imported_names)
        waiting: list[ast.AST] = [self.tree]
        while waiting:
            for node in list_children(waiting.pop()):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                    found.add(node.name)
                else:
                    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                        found.add(node.id)
                    waiting.append(node)
        return frozenset(found)


def _find_first_call(call: ast.Call) -> ast.expr:
    """Return the function that a chain of calls begins with."""
    function = call.func
    while isinstance(function, ast.Attribute) and isinstance(function.value, ast.Call):
        function = function.value.func
    return function


def _list_nodes(tree: ast.Module) -> tuple[ast.AST, ...]:
    """Return every node. Raise RecursionError if a visitor, which uses several frames for each level, could not walk it."""
    level: list[ast.AST] = [tree]
    nodes = [*level]
    for _ in range(MAX_DEPTH):
        level = [below for node in level for below in list_children(node)]
        if not level:
            return tuple(nodes)
        nodes += level
    raise RecursionError
