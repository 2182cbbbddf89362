"""The analysis of a folder: its handlers, the modules that each one loads, and what the rules find in them."""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ticketctl.warmstart.static_analysis.facts.handler_discovery import Root, discover_roots
from ticketctl.warmstart.static_analysis.facts.import_closure import ImportClosure
from ticketctl.warmstart.static_analysis.facts.module_facts import Facts
from ticketctl.warmstart.static_analysis.facts.module_reader import read_facts
from ticketctl.warmstart.static_analysis.finding import SourceFinding, make_finding
from ticketctl.warmstart.static_analysis.libraries.versions import Versions, find_versions
from ticketctl.warmstart.static_analysis.repository.project import HandlerNotFoundError, Project
from ticketctl.warmstart.static_analysis.repository.source import SourceModule
from ticketctl.warmstart.static_analysis.rules.checks import CHECKS

__all__ = ["Analysis", "HandlerNotFoundError", "analyze"]


@dataclass(frozen=True, slots=True)
class Analysis:
    """The result of an analysis.

    files: the files that were analyzed.
    findings: in the order of file and line.
    file_count: the number of Python files below the folder.
    unresolved: the names of modules that imports could not be resolved to, and of declared handlers without a file.
    lines: the source lines of the files with findings.
    """

    files: Sequence[str]
    findings: Sequence[SourceFinding]
    file_count: int = 0
    unresolved: Sequence[str] = ()
    lines: dict[str, Sequence[str]] = field(default_factory=dict)


def analyze(
    folder: Path,
    handler: str | None = None,
    version: Versions | None = None,
    *,
    files: Sequence[Path] = (),
) -> Analysis:
    """Analyze what a handler's import loads; without a handler, do that for each handler of the folder.

    The analysis runs none of the code. `version` returns installed versions; by default they are looked up. `files` are
    resolved paths in the folder: each one counts as a handler, and the others of the folder are left out.

    Raises:
        HandlerNotFoundError: The handler's module is not in the folder.

    """
    with _pause_collector():
        return _analyze(folder.resolve(), handler, files, version)


@contextmanager
def _pause_collector() -> Iterator[None]:
    """Pause the garbage collector: syntax trees are many objects, and all of them stay in use."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _analyze(folder: Path, handler: str | None, files: Sequence[Path], version: Versions | None) -> Analysis:
    project = Project(folder)
    cache: dict[Path, Facts] = {}

    def read(path: Path) -> Facts:
        if path not in cache:
            cache[path] = read_facts(project.load(path))
        return cache[path]

    missing: list[str] = []
    if handler:
        function = handler.replace(":", ".").rpartition(".")[2]
        roots = [Root(project.find_handler(handler), function)]
    elif files:
        named = {root.path: root for root in discover_roots(project, read)[0] if not root.is_guess}
        roots = [named.get(path, Root(path)) for path in files]
    else:
        roots, missing = discover_roots(project, read)
    analyzed: dict[str, SourceModule] = {}
    findings: set[SourceFinding] = set()
    for root in roots:
        modules = project.list_reachable(root.path)
        analyzed |= {module.file: module for module in modules}
        if root.is_guess:
            continue
        find_version = version or find_versions(folder, root.path.parent)
        closure = ImportClosure(root, [read(module.path) for module in modules], find_version)
        findings |= {finding for check in CHECKS for finding in check(closure)}
    unreadable = [module for module in analyzed.values() if module.error]
    findings |= {_report_unreadable(module) for module in unreadable if not module.is_newer_python}
    missing += _describe_newer([module.file for module in unreadable if module.is_newer_python])
    selected = _select_first(sorted(findings))
    return Analysis(
        files=sorted(analyzed),
        findings=selected,
        file_count=len(project.files),
        unresolved=[*sorted(project.unresolved), *missing],
        lines={one.file: analyzed[one.file].lines for one in selected if one.file in analyzed},
    )


def _describe_newer(files: Sequence[str]) -> list[str]:
    if not files:
        return []
    count = files[0] if len(files) == 1 else f"{len(files)} files such as {min(files)}"
    return [f"{count} (written for a newer Python: run the doctor with it)"]


def _report_unreadable(module: SourceModule) -> SourceFinding:
    return make_finding(
        (module.file, module.error_line),
        "unreadable",
        f"The file cannot be parsed as Python: {module.error}.",
        breaks=False,
    )


def _select_first(findings: Sequence[SourceFinding]) -> list[SourceFinding]:
    """Return one finding for each place and rule: two handlers may load the same module."""
    return list({(one.file, one.line, one.rule): one for one in reversed(findings)}.values())[::-1]
