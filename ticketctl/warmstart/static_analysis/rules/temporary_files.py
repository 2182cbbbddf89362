"""The rule about temporary files that each invocation leaves behind."""

import ast
from collections.abc import Iterator
from functools import lru_cache

from ticketctl.warmstart.static_analysis.facts.escape_analysis import (
    list_assignments,
    list_locals,
    list_nodes,
)
from ticketctl.warmstart.static_analysis.facts.import_closure import ImportClosure
from ticketctl.warmstart.static_analysis.facts.module_facts import Facts, Function
from ticketctl.warmstart.static_analysis.finding import SourceFinding, make_finding
from ticketctl.warmstart.static_analysis.lifetimes.kept_containers import (
    find_innermost,
    find_kept_containers,
    list_values,
)
from ticketctl.warmstart.static_analysis.lifetimes.repeated_calls import find_repeated_calls, list_repeated
from ticketctl.warmstart.static_analysis.lifetimes.unique_keys import UniqueKeys
from ticketctl.warmstart.static_analysis.repository.source import SourceModule
from ticketctl.warmstart.static_analysis.repository.syntax import is_conditional, last_name

MAKERS = frozenset({"tempfile.mkdtemp", "tempfile.mkstemp"})
NAMED = "tempfile.NamedTemporaryFile"
REMOVERS = frozenset({"cleanup", "remove", "removedirs", "rename", "rmdir", "rmtree", "unlink"})
MOVERS = frozenset({"os.replace", "shutil.move"})
WRITERS = frozenset(
    {
        "download_file",
        "extractall",
        "savefig",
        "to_csv",
        "to_excel",
        "urlretrieve",
        "write_bytes",
        "write_text",
    }
)
"""Functions and methods that write a file whose path they are passed, or whose path they belong to."""
WRITING_MODES = frozenset("awx+")


def check_temporary_files(closure: ImportClosure) -> Iterator[SourceFinding]:
    """Yield the calls that write another temporary file in each invocation, where no code removes any file."""
    if not any(_read_candidates(facts.module) for facts in closure.modules) or _removes_files(closure):
        return
    calls = find_repeated_calls(closure)
    search = _Search(closure)
    for facts in closure.modules:
        for call in _read_candidates(facts.module):
            function = find_innermost(facts, call)
            if function is None or (what := search.describe(facts, function, call)) is None:
                continue
            if calls.is_repeated(function) and any(one is call for one in list_repeated(facts, function)):
                yield make_finding(
                    (facts.module.file, call.lineno),
                    "temporary-file-kept",
                    f"Each invocation that comes here {what}, and no code removes one: /tmp keeps its files as long as the "
                    "execution environment lives.",
                    breaks=not is_conditional(function, call),
                )


@lru_cache(maxsize=1024)
def _read_candidates(module: SourceModule) -> tuple[ast.Call, ...]:
    """Return the calls of a module that may write a file or make a folder."""
    calls = (node for node in module.nodes if isinstance(node, ast.Call))
    return tuple(one for one in calls if _writes(one) or module.qualify(one.func) in {*MAKERS, NAMED})


def _removes_files(closure: ImportClosure) -> bool:
    """Return whether reachable code mentions what removes or moves files or folders, or the command `rm`."""
    mentioned = closure.list_mentioned()
    if mentioned & MOVERS or {name.rpartition(".")[2] for name in mentioned} & REMOVERS:
        return True
    return any(
        isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.split(" ")[0] == "rm"
        for facts in closure.modules
        for node in facts.module.nodes
    )


class _Search:
    """Finds the calls that write a new temporary file each time."""

    def __init__(self, closure: ImportClosure) -> None:
        self._unique = UniqueKeys(closure, find_kept_containers(closure))

    def describe(self, facts: Facts, function: Function, call: ast.Call) -> str | None:
        """Return what a call does if it leaves another file in each invocation; None if it does not."""
        name = facts.module.qualify(call.func)
        if name in MAKERS or (name == NAMED and _keeps_file(call)):
            return f"makes another {'folder' if name.endswith('dtemp') else 'file'} with {name}()"
        paths = [*call.args, *(one.value for one in call.keywords)]
        if isinstance(call.func, ast.Attribute):
            paths.append(call.func.value)
        if any(self._is_new_path(facts, function, one) for one in paths):
            return "writes a file with another name"
        return None

    def _is_new_path(self, facts: Facts, function: Function, path: ast.expr) -> bool:
        """Return whether an expression is a path below /tmp that is new in each invocation."""
        if isinstance(path, ast.Call) and last_name(path.func) == "Path" and path.args:
            path = path.args[0]
        if isinstance(path, ast.Name) and path.id in list_locals(function):
            values = list_values(function, path.id)
            return len(values) == 1 and self._is_new_path(facts, function, values[0])
        return _is_below_tmp(facts, path) and self._unique.is_unique(facts, function, path)


def _keeps_file(call: ast.Call) -> bool:
    return any(
        one.arg == "delete" and isinstance(one.value, ast.Constant) and one.value.value is False
        for one in call.keywords
    )


def _writes(call: ast.Call) -> bool:
    if last_name(call.func) != "open":
        return last_name(call.func) in WRITERS
    modes = [*call.args[1:2], *(one.value for one in call.keywords if one.arg == "mode")]
    return any(isinstance(one, ast.Constant) and set(str(one.value)) & WRITING_MODES for one in modes)


def _is_below_tmp(facts: Facts, path: ast.expr) -> bool:
    names = _list_tmp_names(facts.module)
    return any(
        _is_tmp(node)
        or (isinstance(node, ast.Call) and facts.module.qualify(node.func) == "tempfile.gettempdir")
        or (isinstance(node, ast.Name | ast.Attribute) and last_name(node) in names)
        for node in list_nodes(path)
    )


@lru_cache(maxsize=1024)
def _list_tmp_names(module: SourceModule) -> frozenset[str]:
    """Return the variables at a module's top level, and the attributes, that are set to /tmp or a path below it."""
    outermost = set(module.tree.body)
    return frozenset(
        last_name(target)
        for node in module.nodes
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target, value in list_assignments(node)
        if value is not None
        and (isinstance(target, ast.Attribute) or node in outermost)
        and any(map(_is_tmp, list_nodes(value)))
    )


def _is_tmp(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and str(node.value).startswith("/tmp")  # noqa: S108 - looked for
