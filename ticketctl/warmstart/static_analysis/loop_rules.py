"""Rules about event loops themselves: who creates, closes and replaces them."""

import ast
from collections.abc import Iterator
from pathlib import Path

from ticketctl.warmstart.static_analysis.escape_analysis import list_nodes
from ticketctl.warmstart.static_analysis.facts import CallSite
from ticketctl.warmstart.static_analysis.finding import SourceFinding, describe_site, make_finding
from ticketctl.warmstart.static_analysis.import_closure import ImportClosure
from ticketctl.warmstart.static_analysis.loop_lifetimes import LoopLifetime


def check_closed_current_loop(closure: ImportClosure) -> Iterator[SourceFinding]:
    """Yield the calls of loop.close() on the thread's current event loop."""
    for site in closure.select_reachable("loop_closings"):
        if site.function is not None and not _creates_another(site):
            yield make_finding(
                site.place,
                "closes-current-loop",
                f"{site.name}() closes the event loop that asyncio.get_event_loop() returned, and the next invocation gets "
                'the same loop: "Event loop is closed".',
            )


def _creates_another(site: CallSite) -> bool:
    """Return whether the function creates a new event loop if the current one is closed."""
    names = {
        node.attr if isinstance(node, ast.Attribute) else node.id
        for node in list_nodes(site.function)
        if isinstance(node, ast.Attribute | ast.Name)
    }
    return bool(names & {"new_event_loop", "set_event_loop"})


def check_unclosed_loops(closure: ImportClosure) -> Iterator[SourceFinding]:
    """Yield the calls that create an event loop for each invocation and leave it open."""
    for site, lifetime in closure.loop_lifetimes:
        if lifetime is LoopLifetime.UNCLOSED:
            yield make_finding(
                site.place,
                "loop-not-closed",
                f"{site.name}() creates an event loop each time this function runs, and no code closes it: each "
                "invocation adds three file descriptors.",
            )


def check_missing_current_loop(closure: ImportClosure) -> Iterator[SourceFinding]:
    """Yield the calls of asyncio.get_event_loop() that raise on Python 3.14, where the project declares that version."""
    if not closure.root.is_python_314:
        return
    sites = [
        site for site in closure.select_reachable("loop_lookups") if site.name == "asyncio.get_event_loop"
    ]
    has_set = any(
        "set_event_loop" in names for facts in closure.modules for names in facts.references.values()
    )
    for site in sites:
        if isinstance(site.function, ast.FunctionDef) and not has_set and not _is_tried(site):
            yield make_finding(
                site.place,
                "no-current-loop",
                "The function runs on Python 3.14, where asyncio.get_event_loop() raises RuntimeError if no event loop is "
                "running or set.",
            )


def _is_tried(site: CallSite) -> bool:
    return any(
        isinstance(node, ast.Try) and any(site.call in list_nodes(one) for one in node.body)
        for node in list_nodes(site.function)
    )


def check_lost_tasks(closure: ImportClosure) -> Iterator[SourceFinding]:
    """Yield the tasks that are started and forgotten in coroutines whose event loop ends with the invocation."""
    if not closure.select("lost_tasks") or not closure.ended_loops:
        return
    loop = describe_site(closure.ended_loops[0])
    for site in closure.select_reachable("lost_tasks"):
        yield make_finding(
            site.place,
            "lost-task",
            f"{site.name}() starts a task, and no code awaits it. {loop} cancels it when its coroutine returns; the rest of "
            "its work is never done, and no error is raised.",
        )


def check_loop_beside_mangum(closure: ImportClosure) -> Iterator[SourceFinding]:
    """Yield the calls that replace the event loop in a process where Mangum keeps one."""
    mangums = closure.select("mangums")
    if not mangums:
        return
    lifetimes = dict(closure.loop_lifetimes)
    for site in closure.select("loops"):
        # a function that is passed on, as in Thread(target=asyncio.run), runs in another thread
        is_passed_on = site.module.qualify(site.call.func) != site.name
        is_persistent = site.function is not None and lifetimes.get(site) is LoopLifetime.PERSISTENT
        if is_passed_on or is_persistent or not closure.is_reachable(site.function, in_same_thread=True):
            continue
        yield make_finding(
            site.place,
            "loop-beside-mangum",
            f"Mangum ({describe_site(mangums[0])}) keeps the thread's event loop from request to request. {site.name} in the "
            "same process puts another one in its place and leaves none when it ends; the application's clients belong "
            "to a loop that never runs again.",
        )


def check_coroutine_handler(closure: ImportClosure) -> Iterator[SourceFinding]:
    """Yield the handlers that are coroutine functions. It is certain only if the deployment names the function."""
    own = next(one for one in closure.modules if one.module.path == closure.root.path)
    for function in own.handlers:
        is_plain = isinstance(function, ast.AsyncFunctionDef) and not function.decorator_list
        is_declared = function.name == closure.root.function
        name = f"{own.module.name}.{function.name}"
        is_used = any(name in names for facts in closure.modules for names in facts.references.values())
        is_guess = function.name.endswith("handler") and not is_used and not _is_for_yandex(own.module.path)
        if is_plain and (is_declared or is_guess):
            yield make_finding(
                (own.module.file, function.lineno),
                "coroutine-handler",
                f"{function.name} is a coroutine function: Lambda calls it, gets a coroutine, and does not await it.",
                breaks=is_declared,
            )


def _is_for_yandex(path: Path) -> bool:
    """Return whether the file or the README beside it mentions Yandex Cloud, whose functions may be coroutines."""
    for file in (path, *path.parent.glob("README*")):
        try:
            if b"yandex" in file.read_bytes().lower():
                return True
        except OSError:
            continue
    return False
