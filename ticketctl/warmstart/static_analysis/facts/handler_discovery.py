"""Finds the Lambda handlers of a repository: those that its deployment files name, and those that look like one."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ticketctl.warmstart.static_analysis.facts.module_facts import Facts
from ticketctl.warmstart.static_analysis.repository.deployment_files import Declaration, read_declarations
from ticketctl.warmstart.static_analysis.repository.project import Project, is_test

HANDLER_SHAPE = re.compile(
    rb"def\s+\w+\s*\([^)]*\b_*(event|context|ctx)\b|def handler\(request|def (lambda_)?handler\(\*|Mangum\("
)


@dataclass(frozen=True, slots=True)
class Root:
    """Where a handler's import begins.

    function: the handler's name within the file; None if only its shape says that it is one.
    declared_at: the line of the deployment file that names it.
    runtime: the runtime that the deployment file names, such as "python3.13".
    is_guess: nothing says that it is a handler; the file is only parsed, since a script may run its loop once.
    """

    path: Path
    function: str | None = None
    declared_at: str | None = None
    runtime: str | None = None
    is_guess: bool = False

    @property
    def is_python_314(self) -> bool:
        """Return whether the handler runs on Python 3.14 or later."""
        match = re.fullmatch(r"python3\.(\d+)", self.runtime or "")
        return match is not None and int(match[1]) >= 14  # noqa: PLR2004 the minor version


def discover_roots(project: Project, read: Callable[[Path], Facts]) -> tuple[list[Root], list[str]]:
    """Return the handlers of a project, and the declared ones whose module is not in it.

    Without any handler, every file is a guess.
    """
    roots: dict[tuple[Path, str | None], Root] = {}
    missing = []
    for declaration in read_declarations(project.folder):
        path = _find(project, declaration)
        if path is not None:
            roots.setdefault((path, declaration.function), _make_root(path, declaration))
        elif declaration.is_python:
            missing.append(f"{declaration.handler} ({declaration.place})")
    declared = {path for path, _ in roots}
    for path in _list_by_shape(project, read):
        if path not in declared:
            roots[path, None] = Root(path)
    return list(roots.values()) or _list_guesses(project), missing


def _make_root(path: Path, declaration: Declaration) -> Root:
    return Root(path, declaration.function, declaration.place, declaration.runtime)


def _find(project: Project, declaration: Declaration) -> Path | None:
    return project.find_module(declaration.module, declaration.folders) if declaration.module else None


def _list_by_shape(project: Project, read: Callable[[Path], Facts]) -> Iterator[Path]:
    for path in project.files:
        if not is_test(project.folder, path) and HANDLER_SHAPE.search(_read_bytes(path)):
            facts = read(path)
            if facts.handlers or facts.mangums:
                yield path


def _list_guesses(project: Project) -> list[Root]:
    return [Root(path, is_guess=True) for path in project.files if not is_test(project.folder, path)]


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
