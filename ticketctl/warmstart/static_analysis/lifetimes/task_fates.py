"""What becomes of a task: whether any code waits for it, or keeps it only so that it is not collected."""

import ast
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import chain

from ticketctl.warmstart.static_analysis.facts.escape_analysis import list_assignments, list_nodes
from ticketctl.warmstart.static_analysis.facts.import_closure import ImportClosure
from ticketctl.warmstart.static_analysis.facts.module_facts import CallSite, Scope
from ticketctl.warmstart.static_analysis.repository.syntax import last_name, walk

ADDERS = frozenset({"add", "append"})
IDLE_METHODS = frozenset({"add_done_callback", "get_name", "remove_done_callback", "set_name"})
"""Methods of a task that neither wait for it nor end it."""
SIGNALS = frozenset({"acquire", "get", "join", "receive", "wait"})
"""Methods that wait for what a task says through a queue or an event."""
STREAMS = ("EventSourceResponse", "StreamingResponse")
"""Responses that are made while they are sent, and that a task may feed."""


def is_abandoned(closure: ImportClosure, site: CallSite) -> bool:
    """Return whether no code waits for a task or ends it, as far as the source shows."""
    if site.function is None or isinstance(site.function, ast.Lambda):
        return False
    return (
        not _is_waited_for(closure, site, site.function)
        and not _has_signals(closure, site, site.function)
        and not is_for_other_places(site)
    )


def is_for_other_places(site: CallSite) -> bool:
    """Return whether a condition that mentions Lambda keeps the call from running there: `if not IN_LAMBDA:`.

    Of a condition that is more than a name or a call, it is not known which of its branches runs on Lambda.
    """
    for node in list_nodes(site.function or site.call):
        if not isinstance(node, ast.If) or "lambda" not in ast.unparse(node.test).lower():
            continue
        is_negated = isinstance(node.test, ast.UnaryOp) and isinstance(node.test.op, ast.Not)
        test = node.test.operand if isinstance(node.test, ast.UnaryOp) else node.test
        is_plain = isinstance(test, ast.Name | ast.Attribute | ast.Call)
        for block, runs_on_lambda in ((node.body, not is_negated), (node.orelse, is_negated)):
            if any(site.call in list_nodes(one) for one in block):
                return not (is_plain and runs_on_lambda)
    return False


def _is_waited_for(closure: ImportClosure, site: CallSite, function: Scope) -> bool:
    """Return whether the task is used for more than being kept; true where the source does not show it."""
    nodes = list_nodes(function)
    user = _find_user(nodes, site.call)
    if isinstance(user, ast.Expr):
        return False
    targets = [target for node in nodes for target, value in list_assignments(node) if value is site.call]
    if isinstance(user, ast.Assign | ast.AnnAssign) and targets:
        return any(_is_target_waited_for(closure, function, one) for one in targets)
    return _is_use_waited_for(closure, user, site.call)


def _find_user(nodes: Iterable[ast.AST], value: ast.AST) -> ast.AST | None:
    return next((node for node in nodes if value in ast.iter_child_nodes(node)), None)


def _is_target_waited_for(closure: ImportClosure, function: Scope, target: ast.expr) -> bool:
    if not isinstance(target, ast.Name):
        return _is_kept_and_waited_for(closure, target)
    nodes = list_nodes(function)
    if any(isinstance(one, ast.Global | ast.Nonlocal) and target.id in one.names for one in nodes):
        return _is_kept_and_waited_for(closure, target)
    uses = [
        one
        for one in nodes
        if isinstance(one, ast.Name) and one.id == target.id and isinstance(one.ctx, ast.Load)
    ]
    return any(_is_use_waited_for(closure, _find_user(nodes, one), one) for one in uses)


def _is_use_waited_for(closure: ImportClosure, user: ast.AST | None, task: ast.expr) -> bool:
    """Return whether a mention of a task does more than keep it."""
    if isinstance(user, ast.Attribute):
        return user.attr not in IDLE_METHODS
    if isinstance(user, ast.Assign):
        return all(_is_kept_and_waited_for(closure, target) for target in user.targets)
    if (
        isinstance(user, ast.Call)
        and task in user.args
        and isinstance(user.func, ast.Attribute)
        and user.func.attr in ADDERS
    ):
        return _is_kept_and_waited_for(closure, user.func.value)
    return True


def _is_kept_and_waited_for(closure: ImportClosure, keeper: ast.expr) -> bool:
    """Return whether code that runs waits for what a container or an attribute holds, goes through it, or ends it."""
    while isinstance(keeper, ast.Subscript):
        keeper = keeper.value
    name = last_name(keeper)
    return not name or name in _list_used_names(closure)


@lru_cache(maxsize=1)
def _list_used_names(closure: ImportClosure) -> frozenset[str]:
    """Return the names of everything that reachable code waits for, goes through, passes on or ends."""
    scopes = (scope for facts in closure.modules for scope in facts.references if scope is not None)
    return frozenset(
        name
        for scope in scopes
        if closure.is_reachable(scope)
        for part in _list_uses(scope)
        for name in _list_names(part)
    )


def _list_uses(scope: Scope) -> Iterator[ast.AST]:
    """Yield the parts of a function that wait for tasks, go through a container, pass one on, or end a task."""
    for node in list_nodes(scope):
        if isinstance(node, ast.Await):
            yield node.value
        elif isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
            yield node.iter
        elif isinstance(node, ast.Starred | ast.Return | ast.Yield) and node.value is not None:
            yield node.value
        elif isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute) and node.func.attr in {"cancel", "result"}:
                yield node.func.value
            yield from (one for one in node.args if isinstance(one, ast.Name | ast.Attribute | ast.Subscript))


def _list_names(part: ast.AST) -> set[str]:
    """Return the names and attributes in an expression, without objects whose bound method is passed: `tasks.discard`."""
    if isinstance(part, ast.Attribute):
        return {part.attr}
    return {last_name(one) for one in walk(part) if isinstance(one, ast.Name | ast.Attribute)}


def _has_signals(closure: ImportClosure, site: CallSite, function: Scope) -> bool:
    """Return whether the code after the call waits for something that the task is passed, or streams a response."""
    outer = [
        one
        for facts in closure.modules
        for one, inner in facts.nested.items()
        if any(function is two for two in inner)
    ]
    around = [function, *outer]
    nodes = tuple(chain.from_iterable(map(list_nodes, around)))
    if any(last_name(one) in STREAMS for one in nodes):
        return True
    shared = {one.id for part in site.call.args for one in walk(part) if isinstance(one, ast.Name)}
    for node in nodes:
        if isinstance(node, ast.AsyncFunctionDef) and node.name in shared and node not in around:
            shared = shared | {one.id for one in walk(node) if isinstance(one, ast.Name)}
    return any(
        isinstance(one, ast.Attribute)
        and one.attr in SIGNALS
        and isinstance(one.value, ast.Name)
        and one.value.id in shared
        for node in nodes
        if isinstance(node, ast.Await | ast.AsyncFor) and node.lineno > site.call.lineno
        for one in walk(node.value if isinstance(node, ast.Await) else node.iter)
    )
