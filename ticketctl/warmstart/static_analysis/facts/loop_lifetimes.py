"""How long an event loop lives that a function creates."""

import ast
from enum import StrEnum

from ticketctl.warmstart.static_analysis.facts.escape_analysis import list_assignments, list_nodes
from ticketctl.warmstart.static_analysis.facts.module_facts import CallSite
from ticketctl.warmstart.static_analysis.libraries import known_names
from ticketctl.warmstart.static_analysis.repository.syntax import walk


class LoopLifetime(StrEnum):
    """How long an event loop lives.

    persistent: as long as the process; each invocation uses it.
    closed: it is closed at the end of the call.
    unclosed: each call creates another one, and none is closed.
    temporary: it is closed, and created only if the loop that the function would use is running in another thread, or fails.
    """

    PERSISTENT = "persistent"
    CLOSED = "closed"
    UNCLOSED = "unclosed"
    TEMPORARY = "temporary"


def classify_loop(site: CallSite, *, is_kept: bool, has_current: bool = True) -> LoopLifetime:
    """Return how long the event loop of a call lives.

    is_kept: its result outlives the function.
    has_current: asyncio.get_event_loop() returns a loop in the main thread, as it does before Python 3.14.
    """
    if site.name not in known_names.LOOP_FACTORIES:
        return LoopLifetime.CLOSED
    if is_kept or site.function is None:
        return LoopLifetime.PERSISTENT
    nodes = list_nodes(site.function)
    names = _list_variables(site, nodes)
    if _is_closed(site, nodes, names):
        is_fallback = has_current and _is_fallback(site, nodes, names)
        is_unused = is_fallback or _is_beside_running(site, nodes)
        return LoopLifetime.TEMPORARY if is_unused else LoopLifetime.CLOSED
    if _is_conditional(site, nodes):
        # created where there was none, as in `except RuntimeError:`, and found again by the next invocation
        return LoopLifetime.PERSISTENT
    if _is_returned(site, nodes, names):
        return LoopLifetime.CLOSED
    return LoopLifetime.UNCLOSED


def _list_variables(site: CallSite, nodes: tuple[ast.AST, ...]) -> set[str]:
    return {
        target.id
        for node in nodes
        for target, value in list_assignments(node)
        if value is site.call and isinstance(target, ast.Name)
    }


def _is_closed(site: CallSite, nodes: tuple[ast.AST, ...], names: set[str]) -> bool:
    for node in nodes:
        if isinstance(node, ast.With | ast.AsyncWith):
            items = [item.context_expr for item in node.items]
            if any(site.call in list_nodes(item) or _mentions(item, names) for item in items):
                return True
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "close"
            and _mentions(node.func.value, names)
        ):
            return True
    return False


def _is_beside_running(site: CallSite, nodes: tuple[ast.AST, ...]) -> bool:
    """Return whether the loop is created if another one is running, which the function runs otherwise.

    Lambda invokes one handler at a time, so that the other loop is idle: `if loop.is_running(): ...` is for local use.
    """
    tested = {
        ast.unparse(node.test.func.value)
        for node in nodes
        if isinstance(node, ast.If)
        and isinstance(node.test, ast.Call)
        and isinstance(node.test.func, ast.Attribute)
        and node.test.func.attr == "is_running"
        and any(site.call in list_nodes(statement) for statement in node.body)
    }
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in known_names.RUN_METHODS
        and ast.unparse(node.func.value) in tested
        for node in nodes
    )


def _is_fallback(site: CallSite, nodes: tuple[ast.AST, ...], names: set[str]) -> bool:
    """Return whether an except block creates and closes the loop, after the try block has run another one.

    The try block finds the thread's current loop and runs it: it fails only if what it runs does.
    """
    for node in nodes:
        if isinstance(node, ast.Try):
            body = [one for statement in node.body for one in list_nodes(statement)]
            calls = [one.func for one in body if isinstance(one, ast.Call)]
            finds = any(site.module.qualify(one) in known_names.LOOP_LOOKUPS for one in calls)
            runs = any(
                isinstance(one, ast.Attribute) and one.attr in known_names.RUN_METHODS for one in calls
            )
            for handler in node.handlers if finds and runs else ():
                inside = list_nodes(handler)
                if site.call in inside and _is_closed(site, inside, names):
                    return True
    return False


def _is_conditional(site: CallSite, nodes: tuple[ast.AST, ...]) -> bool:
    branches = (
        statement
        for node in nodes
        if isinstance(node, ast.If | ast.ExceptHandler | ast.IfExp)
        for statement in ([node.body, node.orelse] if isinstance(node, ast.IfExp) else node.body)
    )
    return any(site.call in list_nodes(branch) for branch in branches)


def _is_returned(site: CallSite, nodes: tuple[ast.AST, ...], names: set[str]) -> bool:
    values = [node.value for node in nodes if isinstance(node, ast.Return | ast.Yield) and node.value]
    return any(value is site.call or (isinstance(value, ast.Name) and value.id in names) for value in values)


def _mentions(expression: ast.expr, names: set[str]) -> bool:
    return any(isinstance(one, ast.Name) and one.id in names for one in walk(expression))
