"""Which functions an ASGI application calls: its routes, and what it runs when it starts and ends."""

import ast
from collections.abc import Callable, Iterable, Iterator, Sequence

from ticketctl.warmstart.static_analysis.facts.call_graph import CallGraph
from ticketctl.warmstart.static_analysis.facts.module_facts import CallSite, Facts, Function, Scope
from ticketctl.warmstart.static_analysis.libraries import known_names


def find_lifespans(modules: Iterable[Facts], follow_import: Callable[[str], str]) -> set[Scope]:
    """Return the functions that an application runs when it starts and ends."""
    names = {follow_import(name) for facts in modules for name in facts.lifespans}
    return {
        function
        for facts in modules
        for name, group in facts.definitions.items()
        for function in group
        if name in names or known_names.ON_EVENT in _list_decorators(function)
    }


def find_never_served(
    modules: Iterable[Facts], lifespans: set[Scope], mangums: Sequence[CallSite]
) -> set[Scope]:
    """Return the functions that Mangum never calls: for websockets, and a lifespan that is off."""
    if not mangums:
        return set()
    sockets: set[Scope] = {
        one for facts in modules for one in facts.decorated if known_names.WEBSOCKET in _list_decorators(one)
    }
    return sockets | (lifespans if all(map(_turns_lifespan_off, mangums)) else set())


def _turns_lifespan_off(mangum: CallSite) -> bool:
    return any(
        one.arg == "lifespan" and isinstance(one.value, ast.Constant) and one.value.value == "off"
        for one in mangum.call.keywords
    )


def list_entries(modules: Iterable[Facts]) -> list[Scope]:
    """Return the functions that a request calls: routes, and the middlewares around them."""
    return [
        one
        for facts in modules
        for one in (
            *filter(is_route, facts.decorated),
            *(function for _, function in facts.methods.get(f".{known_names.DISPATCH}", ())),
        )
    ]


def is_route(function: Function) -> bool:
    """Return whether a function is decorated like a route of an ASGI application: `@router.get("/")`."""
    return bool(known_names.ROUTES & set(_list_decorators(function)))


def _list_decorators(function: Function) -> Iterator[str]:
    """Yield the methods that decorate a function: "get" for `@router.get("/")`."""
    for one in function.decorator_list:
        if isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute):
            yield one.func.attr


def uses_application(modules: Iterable[Facts], graph: CallGraph, functions: Iterable[Scope]) -> bool:
    """Return whether functions mention an ASGI application; true if the routes belong to another kind of object."""
    applications = {
        name
        for facts in modules
        for name, value in facts.aliases.items()
        if value in known_names.ASGI_CLASSES
    }
    return not applications or any(
        graph.follow_import(name) in applications for one in functions for name in graph.list_references(one)
    )
