"""Rules about event loops themselves: who creates, closes and replaces them."""

import ast
from collections.abc import Iterator
from pathlib import Path

from ticketctl.warmstart.static_analysis.facts.asgi_application import is_route
from ticketctl.warmstart.static_analysis.facts.call_graph import CallGraph
from ticketctl.warmstart.static_analysis.facts.escape_analysis import list_nodes
from ticketctl.warmstart.static_analysis.facts.import_closure import ImportClosure
from ticketctl.warmstart.static_analysis.facts.loop_lifetimes import LoopLifetime
from ticketctl.warmstart.static_analysis.facts.module_facts import CallSite, Function, Scope
from ticketctl.warmstart.static_analysis.finding import SourceFinding, describe_site, make_finding
from ticketctl.warmstart.static_analysis.libraries import known_names
from ticketctl.warmstart.static_analysis.lifetimes.repeated_calls import find_repeated_calls
from ticketctl.warmstart.static_analysis.repository.syntax import is_conditional


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
    """Yield the calls of asyncio.get_event_loop() that raise.

    They do on Python 3.14, where the project declares that version; and if asyncio.run(), which leaves the thread without
    an event loop, ran in the invocation before.
    """
    has_set = any(
        "set_event_loop" in name.rpartition(".")[2]
        for facts in closure.modules
        for names in facts.references.values()
        for name in names
    )
    for site in closure.select_reachable("loop_lookups") if not has_set else ():
        function = site.function
        if (
            site.name != "asyncio.get_event_loop"
            or not isinstance(function, ast.FunctionDef)
            or _is_tried(site)
        ):
            continue
        if closure.root.is_python_314:
            yield make_finding(
                site.place,
                "no-current-loop",
                "The function runs on Python 3.14, where asyncio.get_event_loop() raises RuntimeError if no event loop is "
                "running or set.",
            )
        elif not is_conditional(function, site.call) and (runner := _find_runner(closure, function)):
            yield make_finding(
                site.place,
                "no-current-loop",
                f"{describe_site(runner)} leaves the thread without an event loop: asyncio.get_event_loop() in the next "
                "invocation raises RuntimeError.",
            )


def _find_runner(closure: ImportClosure, function: ast.FunctionDef) -> CallSite | None:
    """Return the asyncio.run() of a function that each invocation calls in its own thread."""
    if function not in closure.handled or not closure.is_reachable(function, in_same_thread=True):
        return None
    runners = [
        one for one in closure.select("loops") if one.function is function and one.name == "asyncio.run"
    ]
    return runners[0] if runners and find_repeated_calls(closure).is_repeated(function) else None


def _is_tried(site: CallSite) -> bool:
    """Return whether an except clause goes on after the error."""
    return any(
        not any(isinstance(one, ast.Raise) for one in list_nodes(clause))
        for node in list_nodes(site.function)
        if isinstance(node, ast.Try) and any(site.call in list_nodes(one) for one in node.body)
        for clause in node.handlers
    )


def check_loop_beside_mangum(closure: ImportClosure) -> Iterator[SourceFinding]:
    """Yield the calls that replace the event loop in a Lambda function where Mangum keeps one.

    Measured with Mangum 0.17.0, 0.19.0, 0.21.0 and 0.22.0 on Python 3.11 and 3.13. Mangum 0.20.0 creates a loop for each
    request, and does not miss the one that asyncio.run() takes away.
    """
    mangums = closure.select("mangums")
    if not mangums or closure.version("mangum") in known_names.MANGUM_LOOP_PER_REQUEST:
        return
    entries = _list_mangum_entries(closure)
    has_clients = any(closure.select_kept(kind) for kind in ("clients", "engines"))
    for site in closure.select("loops"):
        # a function that is passed on, as in Thread(target=asyncio.run), runs in another thread
        is_passed_on = site.module.qualify(site.call.func) != site.name
        lifetime = closure.classify_loop(site) if site.function is not None else None
        is_sound = lifetime in (LoopLifetime.PERSISTENT, LoopLifetime.TEMPORARY) or (
            not has_clients and _leaves_open_loop(site)
        )
        is_beside = site.function is None or any(site.function in functions for functions in entries)
        if is_passed_on or is_sound or not is_beside:
            continue
        yield make_finding(
            site.place,
            "loop-beside-mangum",
            f"Mangum ({describe_site(mangums[0])}) keeps the thread's event loop from request to request. {site.name} in the "
            'same Lambda function leaves none when it ends: each later request fails with "There is no current event '
            "loop\", or finds another loop than the application's clients belong to.",
        )


def _leaves_open_loop(site: CallSite) -> bool:
    """Return whether a finally block gives the thread a new loop as the last thing, for the requests that follow.

    It is right for an application that keeps no client of an earlier loop.
    """
    for node in list_nodes(site.function) if site.function is not None else ():
        for statement in node.finalbody[-1:] if isinstance(node, ast.Try) else ():
            for call in list_nodes(statement):
                if (
                    isinstance(call, ast.Call)
                    and site.module.qualify(call.func) == known_names.SET_EVENT_LOOP
                    and _is_new_loop(site, call.args)
                ):
                    return True
    return False


def _is_new_loop(site: CallSite, arguments: list[ast.expr]) -> bool:
    return any(
        isinstance(one, ast.Call) and site.module.qualify(one.func) in known_names.LOOP_FACTORIES
        for one in arguments
    )


def _list_mangum_entries(closure: ImportClosure) -> list[set[Scope]]:
    """Return, for each entry that Lambda may call and that uses Mangum, the functions that it runs in its thread.

    A handler that installs an event loop itself before it calls Mangum is none: Mangum finds that loop. Two handlers in one module are two Lambda functions. What the import runs counts for any of them. A route does not:
    a plain function runs in another thread, and in a coroutine asyncio.run() raises before it changes anything.
    """
    own = next(one for one in closure.modules if one.module.path == closure.root.path)
    graph = CallGraph(closure.modules, closure.follow_import, with_threads=False)
    mangums = closure.select("mangums")
    names = {one.target for one in mangums} | {graph.name_of(one.function) for one in mangums if one.function}
    scripts = {f"{facts.module.name}.{name}" for facts in closure.modules for name in facts.scripts}
    decorated: list[Scope] = [
        one
        for facts in closure.modules
        for one in facts.decorated
        if not is_route(one) and not _is_scheduled(one) and one not in own.handlers
    ]
    at_import = graph.list_import_names() - scripts
    entries = [graph.find_reachable(decorated, at_import)]
    handlers: list[Scope] = [*own.definitions.get(f"{own.module.name}.{closure.root.function}", ())]
    for handler in handlers or own.handlers:
        if _installs_loop(closure, graph, handler):
            continue
        reached = graph.find_reachable([handler], set(), frozenset(at_import))
        mentioned = {name for scope in reached for name in graph.list_references(scope)}
        if any(closure.follow_import(name) in names for name in mentioned) or any(
            one.function in reached for one in mangums
        ):
            entries.append(reached)
    return entries


def _installs_loop(closure: ImportClosure, graph: CallGraph, handler: Scope) -> bool:
    """Return whether a handler, or a function that it calls, sets the thread's event loop and does not end it."""
    mentioned = {closure.follow_import(name) for name in graph.list_references(handler)}
    for facts in closure.modules:
        called = (function for name in mentioned for function in facts.definitions.get(name, ()))
        for function in (handler, *called) if handler in facts.references else called:
            if any(
                isinstance(node, ast.Call) and facts.module.qualify(node.func) == known_names.SET_EVENT_LOOP
                for node in list_nodes(function)
            ) and not _ends_loop(closure, function):
                return True
    return False


def _ends_loop(closure: ImportClosure, function: Scope) -> bool:
    sites = (site for site in closure.select("loops") if site.function is function)
    return any(closure.classify_loop(site) is LoopLifetime.CLOSED for site in sites)


def _is_scheduled(function: Function) -> bool:
    """Return whether a decorator makes a scheduler call the function, which does it in a thread of its own."""
    calls = [one.func for one in function.decorator_list if isinstance(one, ast.Call)]
    names = [one.attr for one in calls if isinstance(one, ast.Attribute)]
    return known_names.SCHEDULED_JOB in names and isinstance(function, ast.FunctionDef)


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
