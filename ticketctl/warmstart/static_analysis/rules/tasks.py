"""Rules about tasks that outlive the code that started them."""

import ast
from collections.abc import Iterator

from ticketctl.warmstart.static_analysis.facts.escape_analysis import list_all_assignments, list_nodes
from ticketctl.warmstart.static_analysis.facts.import_closure import ImportClosure
from ticketctl.warmstart.static_analysis.facts.module_facts import CallSite, Scope
from ticketctl.warmstart.static_analysis.finding import SourceFinding, describe_site, make_finding, name_call
from ticketctl.warmstart.static_analysis.libraries import known_names
from ticketctl.warmstart.static_analysis.lifetimes.task_fates import is_abandoned, is_for_other_places
from ticketctl.warmstart.static_analysis.repository.syntax import is_method_call, walk


def check_lost_tasks(closure: ImportClosure) -> Iterator[SourceFinding]:
    """Yield the tasks that no code waits for, in functions whose event loop ends or stops with the invocation."""
    for site in closure.select_reachable("tasks"):
        if not is_abandoned(closure, site):
            continue
        if site.function in closure.on_ended_loops:
            loop = describe_site(closure.ended_loops[0])
            yield make_finding(
                site.place,
                "lost-task",
                f"{name_call(site)}() starts a task, and no code awaits it. {loop} cancels it when its coroutine returns; "
                "the rest of its work is never done, and no error is raised.",
            )
        elif site.function in closure.on_stopped_loops:
            yield make_finding(
                site.place,
                "lost-task",
                f"{name_call(site)}() starts a task, and no code awaits it. The event loop stops when the response is "
                "ready, and Lambda freezes the process: the task goes on only while a later invocation runs, if there "
                "is one, and its work is lost with the process.",
            )


def check_endless_tasks(closure: ImportClosure) -> Iterator[SourceFinding]:
    """Yield the tasks that never end by themselves and that an exception leaves running on an event loop that is kept."""
    for site in closure.select("tasks"):
        if site.function not in closure.handled or site.function in closure.on_ended_loops:
            continue
        # what raises in a request does not reach a lifespan function
        if site.function in closure.lifespans or is_for_other_places(site):
            continue
        name = _find_variable(site)
        if name is None or not any(map(_is_endless, _list_coroutines(closure, site))):
            continue
        cancels = list(_list_cancels(site.function, name))
        if cancels and not any(certain for _, certain in cancels):
            line = min(line for line, _ in cancels)
            yield make_finding(
                site.place,
                "endless-task",
                f"The task never ends by itself, and cancel() on line {line} runs only if nothing raises before: after an "
                "exception the task goes on in every later invocation, as the event loop is kept.",
                breaks=False,
            )


def _find_variable(site: CallSite) -> str | None:
    """Return the local variable that keeps the task."""
    pairs = list_all_assignments(site.function or site.call)
    names = [target.id for target, value in pairs if value is site.call and isinstance(target, ast.Name)]
    return next(iter(names), None)


def _list_coroutines(closure: ImportClosure, site: CallSite) -> Iterator[Scope]:
    """Yield the coroutine functions that a task may run."""
    for value in site.call.args[:1]:
        if not isinstance(value, ast.Call):
            continue
        name = closure.follow_import(site.module.qualify(value.func))
        for facts in closure.modules:
            yield from facts.definitions.get(name, ())
            if isinstance(value.func, ast.Attribute):
                yield from (function for _, function in facts.methods.get(f".{value.func.attr}", ()))


def _is_endless(function: Scope) -> bool:
    """Return whether a function loops for ever: `while True` that only an exception leaves."""
    return any(
        isinstance(node, ast.While)
        and isinstance(node.test, ast.Constant)
        and bool(node.test.value)
        and not any(isinstance(one, ast.Break | ast.Return) for one in _list_outside_handlers(node))
        for node in list_nodes(function)
    )


def _list_outside_handlers(loop: ast.While) -> Iterator[ast.AST]:
    waiting: list[ast.AST] = [*loop.body]
    while waiting:
        node = waiting.pop()
        if not isinstance(node, ast.ExceptHandler):
            yield node
            waiting += ast.iter_child_nodes(node)


def _list_cancels(function: Scope | None, name: str) -> Iterator[tuple[int, bool]]:
    """Yield the lines that cancel the task in a variable, each with whether an exception leads there too."""
    nodes = list_nodes(function) if function is not None else ()
    certain = {
        id(one)
        for node in nodes
        if isinstance(node, ast.Try | ast.ExceptHandler)
        for statement in (node.finalbody if isinstance(node, ast.Try) else node.body)
        for one in walk(statement)
    }
    for node in nodes:
        if isinstance(node, ast.Call) and is_method_call(node, name, {known_names.CANCEL}):
            yield node.lineno, id(node) in certain
