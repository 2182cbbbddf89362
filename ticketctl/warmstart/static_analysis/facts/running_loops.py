"""Which functions may run on an event loop that ends with the invocation, and what they use there.

The coroutine that asyncio.run() is passed says where its loop starts. What a library calls back counts too, since no
name shows on which loop it does that; only the routes of an ASGI application run on the loop that Mangum keeps.
"""

import ast
from collections.abc import Iterable, Iterator
from functools import cached_property

from ticketctl.warmstart.static_analysis.facts.asgi_application import is_route
from ticketctl.warmstart.static_analysis.facts.call_graph import CallGraph, name_reference
from ticketctl.warmstart.static_analysis.facts.escape_analysis import list_locals, list_nodes
from ticketctl.warmstart.static_analysis.facts.module_facts import CallSite, Facts, Scope
from ticketctl.warmstart.static_analysis.libraries import known_names
from ticketctl.warmstart.static_analysis.repository.source import SourceModule
from ticketctl.warmstart.static_analysis.repository.syntax import last_name, walk


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

    def find_named(self, loops: Iterable[CallSite]) -> set[Scope]:
        """Return the functions that run on the loops of these calls, as far as names show which coroutines they run."""
        names = {name for site in loops for name in self._list_run(site) or self._list_run_by_variable(site)}
        return self._graph.find_reachable([], names, frozenset(self._graph.list_import_names()))

    def list_starters(self, loops: Iterable[CallSite]) -> set[Scope]:
        """Return the functions that create the loops, and those that pass a coroutine to such a function."""
        creators = {site.function for site in loops if site.function is not None}
        passing = [
            one
            for one in creators
            if not isinstance(one, ast.Lambda) and isinstance(one, ast.FunctionDef) and _list_arguments(one)
        ]
        return creators | {caller for one in passing for caller in self._graph.list_callers(one)}

    def _list_run(self, site: CallSite) -> set[str] | None:
        """Return the names in the coroutine that is passed to the loop; None if they do not show which one it is."""
        function = site.function
        if function is None:
            return None
        if site.name in known_names.LOOP_RUNNERS:
            parts = [*site.call.args, *(keyword.value for keyword in site.call.keywords)]
        else:
            parts = [one for call in _list_runs(function) for one in call.args]
        names: set[str] = set()
        for part in parts:
            found = self._list_mentioned(site.module, function, part)
            if found is None:
                return None
            names |= found
        return names if parts else None

    def _list_run_by_variable(self, site: CallSite) -> set[str]:
        """Return the names in the coroutines that any function runs on the loop which a variable of a module keeps."""
        target = site.target if site.function is None else None
        if target is None:
            return set()
        return {
            name
            for facts in self._modules
            for scope in facts.references
            if scope is not None
            for call in _list_runs(scope)
            if isinstance(call.func, ast.Attribute)
            and last_name(call.func.value) == target.rpartition(".")[2]
            for part in call.args
            for name in self._list_mentioned(facts.module, scope, part) or ()
        }

    def _list_mentioned(self, module: SourceModule, function: Scope, part: ast.expr) -> set[str] | None:
        """Return what an expression in a function mentions; None if nothing shows which coroutine it is."""
        arguments = _list_arguments(function)
        called = [one.func for one in walk(part) if isinstance(one, ast.Call)]
        names: set[str] = set()
        for node in walk(part):
            if isinstance(node, ast.Name):
                is_coroutine = node is part or node in called
                if node.id in arguments:
                    found = self._list_passed(function) if is_coroutine else set()
                elif node.id in list_locals(function):
                    found = self._graph.list_references(function)
                else:
                    found = self._list_named(module, node) if is_coroutine else set()
                if found is None:
                    return None
                names |= found
            if isinstance(node, ast.Name | ast.Attribute):
                names.add(name_reference(module, node))
        return names

    def _list_passed(self, function: Scope) -> set[str] | None:
        """Return what the callers of a function mention, since one of them made the coroutine that it is passed."""
        callers = self._graph.list_callers(function)
        return {name for one in callers for name in self._graph.list_references(one)} if callers else None

    def _list_named(self, module: SourceModule, node: ast.Name) -> set[str] | None:
        """Return the name of a function; None if it is a variable of the function around, as in a decorator."""
        name = module.qualify(node)
        is_known = node.id in module.top_level_names or self._graph.is_defined(name)
        return {name} if is_known else None

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


def _list_runs(function: Scope) -> Iterator[ast.Call]:
    """Yield the calls in a function that run something on a loop: `loop.run_until_complete(...)`."""
    for node in list_nodes(function):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in known_names.RUN_METHODS
        ):
            yield node


def list_started(scope: Scope) -> Iterator[ast.Call]:
    """Yield the calls in a function that make coroutines run at the same time."""
    for node in list_nodes(scope):
        if isinstance(node, ast.Call):
            last = last_name(node.func)
            if last in known_names.CONCURRENCY_STARTERS:
                yield node


def _list_arguments(function: Scope) -> frozenset[str]:
    every = function.args
    return frozenset(
        one.arg
        for one in (*every.posonlyargs, *every.args, *every.kwonlyargs, every.vararg, every.kwarg)
        if one
    )
