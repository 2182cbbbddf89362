"""Rules about clients, pools, engines and locks that outlive their event loop."""

import ast
from collections.abc import Iterator, Sequence

from ticketctl.warmstart.static_analysis.facts.import_closure import ImportClosure
from ticketctl.warmstart.static_analysis.facts.module_facts import CallSite, Scope
from ticketctl.warmstart.static_analysis.finding import (
    SourceFinding,
    describe_site,
    make_finding,
    name_call,
)
from ticketctl.warmstart.static_analysis.libraries import constructors
from ticketctl.warmstart.static_analysis.lifetimes.certain_closings import find_closing, is_certain
from ticketctl.warmstart.static_analysis.lifetimes.object_use import (
    calls_method,
    find_method_call,
    has_own_loop,
    is_contended,
    is_reset,
    is_used_on_ended_loop,
)

FALSE_FIXES = ("pool_pre_ping", "pool_recycle", "pool_size", "max_overflow")


def check_clients(closure: ImportClosure) -> Iterator[SourceFinding]:
    """Yield the clients and pools that outlive the event loop that their connections belong to."""
    # most handlers have no client: what else they do is costly to find
    if not closure.select("clients") or not closure.ended_loops:
        return
    loop = describe_site(closure.ended_loops[0])
    stacks: dict[tuple[Scope | None, str], list[CallSite]] = {}
    for site in closure.select_kept("clients"):
        is_sound = _keeps_no_connection(site) or has_own_loop(closure, site) or _is_renewed(closure, site)
        openers = constructors.list_openers(site.name)
        if openers and not calls_method(closure, openers):
            continue
        if not is_sound and find_closing(closure, site) is None and is_used_on_ended_loop(closure, site):
            if site.name.endswith(f".{constructors.ENTERED}"):
                stacks.setdefault((site.function, ast.unparse(site.call.func)), []).append(site)
            else:
                yield _report_client(site, f"{name_call(site)} is", loop)
    for entered in stacks.values():  # an exit stack is one object, whatever it has entered
        yield _report_client(entered[0], f"What {_describe_entered(entered)} enters is", loop)


def _describe_entered(sites: Sequence[CallSite]) -> str:
    """Return the call that enters something, with the lines of further ones: "stack.enter_async_context() (line 9 too)"."""
    lines = [str(one.call.lineno) for one in sites[1:]]
    others = f" ({'line' if len(lines) == 1 else 'lines'} {', '.join(lines)} too)" if lines else ""
    return f"{ast.unparse(sites[0].call.func)}(){others}"


def _report_client(site: CallSite, subject: str, loop: str) -> SourceFinding:
    return make_finding(
        site.place,
        "client-outlives-loop",
        f"{subject} created once and kept, but {loop} uses a new event loop for each invocation. Its "
        "connections belong to the first loop (L1), and the next invocation uses them on another one (L2): "
        '"attached to a different loop", "Event loop is closed".',
    )


def _is_renewed(closure: ImportClosure, site: CallSite) -> bool:
    """Return whether each run opens the object anew and closes it, as a bot's initialize() and shutdown() do."""
    opener = constructors.find_renewer(site.name)
    return (
        opener is not None
        and calls_method(closure, [opener])
        and find_closing(closure, site, certain=False) is not None
    )


def check_shared_clients(closure: ImportClosure) -> Iterator[SourceFinding]:
    """Yield the first use of each library that keeps a client of its own, which is one for the whole process."""
    if not closure.select("shared_clients") or not closure.ended_loops:
        return
    loop = describe_site(closure.ended_loops[0])
    uses: dict[str, list[CallSite]] = {}
    for site in sorted(closure.select_reachable("shared_clients"), key=lambda one: one.place):
        methods = constructors.list_async_methods(site.name)
        if constructors.has_own_client(site.name, (one.arg for one in site.call.keywords)) or (
            methods and not calls_method(closure, methods, closure.on_ended_loops)
        ):
            continue
        is_elsewhere = not methods and site.function not in closure.on_ended_loops | closure.loop_starters
        if is_elsewhere or _has_own_model(closure, site):
            continue
        uses.setdefault(site.name.partition(".")[0], []).append(site)
    for site, *others in uses.values():
        places = ", ".join(f"{file}:{line}" for file, line in (one.place for one in others))
        also = f" (also at {places})" if others else ""
        yield make_finding(
            site.place,
            "library-client-outlives-loop",
            f"{site.name}{also} uses a client that the library keeps for the life of the process, but {loop} uses a new "
            "event loop for each invocation. The client's connections belong to the first loop.",
        )


def _has_own_model(closure: ImportClosure, site: CallSite) -> bool:
    """Return whether the agents of the handler have models that bring a client of their own."""
    models = constructors.list_own_models(site.name)
    own = {name for name in closure.list_mentioned() if name in models}
    agents = closure.select_reachable("agents")
    arguments = [_find_keyword(one.call, "model") for one in agents]
    is_default = any(value is None or isinstance(value, ast.Constant | ast.JoinedStr) for value in arguments)
    return bool(own) and not is_default


def check_closed_clients(closure: ImportClosure) -> Iterator[SourceFinding]:
    """Yield the clients that the first invocation closes and the next one uses."""
    for site in closure.select_kept("clients"):
        if (ender := constructors.find_ender(site.name)) and (call := find_method_call(closure, site, ender)):
            yield make_finding(
                call,
                "closed-but-cached",
                f"{ender}() closes what {describe_site(site)} creates only once. The variable keeps the closed object, and "
                f"{ender}() does nothing in the next invocation.",
            )
        closing = find_closing(closure, site)
        if (
            closing is None
            or not site.guarded
            or constructors.can_reopen(site.name)
            or is_reset(closure, site)
        ):
            continue
        if closing.function is not None and not _may_run_each_time(closure, closing.function):
            continue
        yield make_finding(
            (closing.module.file, closing.line),
            "closed-but-cached",
            f"This line closes what {describe_site(site)} creates only once. The variable keeps the closed object, and the "
            "next invocation uses it.",
        )


def _may_run_each_time(closure: ImportClosure, function: Scope) -> bool:
    """Return whether a function that closes something runs in each invocation: a lifespan that Mangum turns off does not."""
    if not closure.is_reachable(function):
        return False
    name = getattr(function, "name", "").lower()
    if "lifespan" not in name and "shutdown" not in name:
        return True
    mangums = closure.select("mangums")
    return bool(mangums) and not any(
        isinstance(value := _find_keyword(site.call, "lifespan"), ast.Constant) and value.value == "off"
        for site in mangums
    )


def check_primitives(closure: ImportClosure) -> Iterator[SourceFinding]:
    """Yield the locks and queues that outlive the event loop that they bind themselves to."""
    if not closure.select("primitives") or not closure.ended_loops:
        return
    loop = describe_site(closure.ended_loops[0])
    for site in closure.select_kept("primitives"):
        if not is_contended(closure, site):
            continue
        yield make_finding(
            site.place,
            "primitive-outlives-loop",
            f"{name_call(site)} is created once and kept, but {loop} uses a new event loop for each invocation. It binds itself to "
            "the first loop on which a task has to wait for it; a task that waits on a later loop gets "
            '"is bound to a different event loop".',
            breaks=False,
        )


def check_engines(closure: ImportClosure) -> Iterator[SourceFinding]:
    """Yield the engines whose pool outlives its event loop, and those that are never disposed of."""
    engines = closure.select("engines")
    if not engines or not closure.ended_loops:
        return
    kept = closure.select_kept("engines")
    for site in engines:
        if any(one.closes for one in closure.select_disposals([site])) or _pool_class(site) == "NullPool":
            continue
        if site in kept:
            yield make_finding(site.place, "engine-outlives-loop", _describe_engine(closure, site))
        elif site.owner is None and isinstance(site.function, ast.AsyncFunctionDef):
            yield make_finding(
                site.place,
                "engine-never-disposed",
                "This coroutine creates an engine and never disposes of it: each invocation leaves connections open on an "
                "event loop that is gone, until the server refuses new ones.",
            )


def _describe_engine(closure: ImportClosure, site: CallSite) -> str:
    false_fixes = [name for name in FALSE_FIXES if _find_keyword(site.call, name) is not None]
    verb = "does" if len(false_fixes) == 1 else "do"
    note = (
        f" {' and '.join(false_fixes)} {verb} not fix it: the check itself uses the closed loop."
        if false_fixes
        else ""
    )
    return (
        f"The engine's pool keeps connections, but {describe_site(closure.ended_loops[0])} uses a new event loop for each "
        "invocation. A connection (C1) belongs to the loop that opened it (L1), and the pool hands it to the next one "
        f'(L2): "attached to a different loop", then "another operation is in progress".{note}'
    )


def check_disposals(closure: ImportClosure) -> Iterator[SourceFinding]:
    """Yield the calls of dispose() that a failure skips, or that leave connections open."""
    engines = closure.select_kept("engines")
    if not engines or not closure.ended_loops:
        return
    disposals = closure.select_disposals(engines)
    if any(one.closes and is_certain(closure, one) for one in disposals):
        return
    for one in disposals:
        place = (one.module.file, one.line)
        if one.closes:
            yield make_finding(
                place,
                "dispose-on-success-only",
                "dispose() runs only if the invocation succeeds: after the first failure the pool keeps a connection of a "
                "closed event loop.",
            )
        else:
            yield make_finding(
                place,
                "dispose-without-close",
                "dispose(close=False) leaves connections open: each invocation adds some, until the server refuses new "
                "ones.",
            )


def _find_keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((keyword.value for keyword in call.keywords if keyword.arg == name), None)


def _pool_class(site: CallSite) -> str | None:
    """Return the pool class's name; NullPool too if options are passed as a whole in a module that imports NullPool."""
    pool = _find_keyword(site.call, "poolclass")
    if pool is not None:
        return site.module.qualify(pool).rpartition(".")[2] or None
    has_options = any(keyword.arg is None for keyword in site.call.keywords)
    return "NullPool" if has_options and "NullPool" in site.module.imported_names else None


def _keeps_no_connection(site: CallSite) -> bool:
    """Return whether an HTTP client is configured to keep no connection after a response."""
    limits = _find_keyword(site.call, "limits")
    kept = _find_keyword(limits, "max_keepalive_connections") if isinstance(limits, ast.Call) else None
    if isinstance(kept, ast.Constant) and kept.value == 0:
        return True
    connector = _find_keyword(site.call, "connector")
    force = _find_keyword(connector, "force_close") if isinstance(connector, ast.Call) else None
    return isinstance(force, ast.Constant) and force.value is True
