"""The rule about threads whose work an invocation does not wait for."""

import ast
from collections.abc import Iterator, Sequence

from ticketctl.warmstart.static_analysis.facts.assignment_guards import has_once_guard
from ticketctl.warmstart.static_analysis.facts.escape_analysis import list_all_assignments, list_nodes
from ticketctl.warmstart.static_analysis.facts.import_closure import ImportClosure
from ticketctl.warmstart.static_analysis.facts.module_facts import Function
from ticketctl.warmstart.static_analysis.finding import SourceFinding, make_finding, name_call
from ticketctl.warmstart.static_analysis.lifetimes.repeated_calls import find_repeated_calls
from ticketctl.warmstart.static_analysis.lifetimes.task_fates import ADDERS, is_for_other_places
from ticketctl.warmstart.static_analysis.repository.syntax import is_method_call, last_name

START = "start"
SETTINGS = frozenset({"daemon", "name", "setDaemon", START})
"""Attributes of a thread that do not wait for it."""
WAITING = frozenset({"acquire", "communicate", "get_nowait", "is_alive", "is_set", "join", "result", "wait"})
"""Methods that wait for a thread, or ask what it has done."""


def check_lost_threads(closure: ImportClosure) -> Iterator[SourceFinding]:
    """Yield the threads that a function of an invocation starts, and that no code joins."""
    calls = find_repeated_calls(closure)
    for site in closure.select_reachable("threads"):
        function = site.function
        if function is None or isinstance(function, ast.Lambda) or site.owner is not None:
            continue
        stores = _list_stores(function, site.call)
        if (site.kept and not stores) or (stores and _joins_any(closure)):
            continue
        if not _is_started_and_left(function, site.call, stores) or is_for_other_places(site):
            continue
        if calls.is_repeated(function) and not has_once_guard(function):
            yield make_finding(
                site.place,
                "lost-thread",
                f"{name_call(site)}() starts a thread, and no code waits for it. Lambda freezes the process when the "
                "response is ready: the thread goes on only while a later invocation runs, if there is one, and its work is "
                "lost with the process.",
            )


def _list_variables(function: Function, call: ast.Call) -> set[str]:
    """Return the variables that a function assigns the result of a call to."""
    return {
        target.id
        for target, value in list_all_assignments(function)
        if value is call and isinstance(target, ast.Name)
    }


def _list_stores(function: Function, call: ast.Call) -> list[ast.expr]:
    """Return where a function puts the thread that a call creates into a container: `threads[key] = thread`."""
    names = _list_variables(function, call)
    stored = [
        value
        for target, value in list_all_assignments(function)
        if isinstance(target, ast.Subscript) and isinstance(value, ast.Name)
    ]
    for node in list_nodes(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ADDERS:
            stored += [one for one in node.args if isinstance(one, ast.Name)]
    return [one for one in stored if one.id in names]


def _joins_any(closure: ImportClosure) -> bool:
    """Return whether reachable code joins a thread, whichever it is: `.join()`, which texts and paths have arguments for."""
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "join"
        and not (node.args and not isinstance(node.args[0], ast.Constant))
        and not isinstance(node.func.value, ast.Constant)
        for scope in closure.functions
        if closure.is_reachable(scope)
        for node in list_nodes(scope)
    )


def _is_started_and_left(function: Function, call: ast.Call, stores: Sequence[ast.expr]) -> bool:
    """Return whether a function starts the thread that a call creates, and waits neither for it nor for anything else."""
    nodes = list_nodes(function)
    if any(_waits(node) for node in nodes):
        return False
    names = _list_variables(function, call)
    settings = [node.value for node in nodes if isinstance(node, ast.Attribute) and node.attr in SETTINGS]
    uses = [
        node
        for node in nodes
        if isinstance(node, ast.Name) and node.id in names and isinstance(node.ctx, ast.Load)
    ]
    starts = any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.value is call
        for node in nodes
    ) or any(is_method_call(node, name, {START}) for node in nodes for name in names)
    return starts and all(any(use is one for one in (*settings, *stores)) for use in uses)


def _waits(node: ast.AST) -> bool:
    """Return whether a node calls a method that waits; `", ".join(...)` and os.path.join() are others."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in WAITING
        and not isinstance(node.func.value, ast.Constant | ast.JoinedStr)
        and last_name(node.func.value) != "path"
    )
