"""Which functions may run on an event loop that ends with the invocation, and what they use there.

The coroutine that asyncio.run() is passed says where its loop starts. What a library calls back counts too, since no
name shows on which loop it does that; only the routes of an ASGI application run on the loop that Mangum keeps.
"""

import ast
from collections.abc import Iterable, Iterator
from functools import cached_property

from ticketctl.warmstart.static_analysis import known_names
from ticketctl.warmstart.static_analysis.call_graph import CallGraph, name_reference
from ticketctl.warmstart.static_analysis.escape_analysis import list_locals, list_nodes
from ticketctl.warmstart.static_analysis.facts import CallSite, Facts, Function, Scope
from ticketctl.warmstart.static_analysis.syntax import walk


class RunningLoops:
    """The functions that run on the event loops that some calls create."""

    def __init__(
        self, modules: Iterable[Facts], graph: CallGraph, reachable: set[Scope], *, has_mangum: bool
    ) -> None:
        self._modules = list(modules)
        self._graph = graph
        self._reachable = reachable
        self._has_mangum = has_mangum

    def find_functions(self, loops: Iterable[CallSite]) -> set[Scope]:
        """Return the functions that may run on the loops of these calls; every reachable one if that is unknown."""
        names: set[str] = set()
        for site in loops:
            found = self._list_run(site)
            if found is None:
                return self._reachable
            names |= found
        decorated, callbacks = self._callbacks
        known = {name for scope in self._reachable for name in self._graph.list_references(scope)}
        known |= self._graph.list_import_names()
        return self._graph.find_reachable(decorated, names | callbacks, frozenset(known)) & self._reachable

    def _list_run(self, site: CallSite) -> set[str] | None:
        """Return what a loop is told to run, by name; None if that is unknown."""
        if site.function is None or isinstance(site.function, ast.Lambda):
            return None
        if site.name not in known_names.LOOP_RUNNERS:
            return self._graph.list_references(site.function)
        names: set[str] = set()
        for part in (*site.call.args, *(keyword.value for keyword in site.call.keywords)):
            found = self._list_mentioned(site, site.function, part)
            if found is None:
                return None
            names |= found
        return names

    def _list_mentioned(self, site: CallSite, function: Scope, part: ast.expr) -> set[str] | None:
        """Return what an expression in a function mentions; None if it is an argument and no caller is known."""
        arguments = _list_arguments(function)
        names: set[str] = set()
        for node in walk(part):
            if isinstance(node, ast.Name) and node.id in list_locals(function):
                if node.id not in arguments:
                    names |= self._graph.list_references(function)
                elif node is part:  # a coroutine that the caller made
                    callers = self._graph.list_callers(function)
                    if not callers:
                        return None
                    for caller in callers:
                        names |= self._graph.list_references(caller)
            elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
                names.add(name_reference(site.module, node))
        return names

    @cached_property
    def _callbacks(self) -> tuple[list[Scope], set[str]]:
        """The functions, and the names of functions, that a library may call on any loop."""
        decorated: list[Scope] = [
            function
            for facts in self._modules
            for function in facts.decorated
            if not (self._has_mangum and is_route(function))
        ]
        return decorated, {name for facts in self._modules for name in facts.callbacks}


def is_route(function: Function) -> bool:
    """Return whether a function is decorated like a route of an ASGI application: `@router.get("/")`."""
    return any(
        isinstance(one, ast.Call)
        and isinstance(one.func, ast.Attribute)
        and one.func.attr in known_names.ROUTES
        for one in function.decorator_list
    )


def list_started(scope: Scope) -> Iterator[ast.Call]:
    """Yield the calls in a function that make coroutines run at the same time."""
    for node in list_nodes(scope):
        if isinstance(node, ast.Call):
            last = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if last in known_names.CONCURRENCY_STARTERS:
                yield node


def _list_arguments(function: Scope) -> frozenset[str]:
    every = function.args
    return frozenset(
        one.arg
        for one in (*every.posonlyargs, *every.args, *every.kwonlyargs, every.vararg, every.kwarg)
        if one
    )
