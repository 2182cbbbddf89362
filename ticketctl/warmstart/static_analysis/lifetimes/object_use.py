"""Where an object that is kept between invocations is used: on which loops, and by several tasks at the same time."""

import ast
from collections.abc import Collection, Sequence
from functools import lru_cache

from ticketctl.warmstart.static_analysis.facts.call_graph import name_reference
from ticketctl.warmstart.static_analysis.facts.escape_analysis import list_locals, list_nodes
from ticketctl.warmstart.static_analysis.facts.import_closure import ImportClosure
from ticketctl.warmstart.static_analysis.facts.module_facts import CallSite, Facts, Function, Scope
from ticketctl.warmstart.static_analysis.facts.running_loops import list_started
from ticketctl.warmstart.static_analysis.libraries import known_names
from ticketctl.warmstart.static_analysis.repository.syntax import walk


def is_used_on_ended_loop(closure: ImportClosure, site: CallSite) -> bool:
    """Return whether an object that is kept may be used on such a loop; true where the source does not show it."""
    users = list_users(closure, site)
    return (
        site.function in closure.on_ended_loops
        or not users
        or any(one is None or one in closure.on_ended_loops or one in closure.loop_starters for one in users)
    )


def calls_method(
    closure: ImportClosure, names: Sequence[str], within: Collection[Scope] | None = None
) -> bool:
    """Return whether reachable code calls a method with one of the names; a graph of LangGraph's calls none itself.

    A method with such a name that passes the call on is none either: what calls it counts.
    within: the functions that count, where not all do.
    """
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in names
        and getattr(scope, "name", "") != node.func.attr
        and "graph" not in ast.unparse(node.func.value).lower()
        for facts in closure.modules
        for scope in facts.references
        if scope is not None and (closure.is_reachable(scope) if within is None else scope in within)
        for node in list_nodes(scope)
    )


def find_method_call(closure: ImportClosure, site: CallSite, method: str) -> tuple[str, int] | None:
    """Return file and line where an invocation calls a method of an object that a variable of a module keeps."""
    identity = closure.resolve(site.target)
    for facts in closure.modules:
        for scope in facts.references:
            for node in list_nodes(scope) if scope is not None and scope in closure.handled else ():
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and node.func.attr == method
                    and isinstance(node.func.value, ast.Name)
                    and scope is not None
                    and node.func.value.id not in list_locals(scope)
                    and closure.resolve(facts.module.qualify(node.func.value)) == identity
                ):
                    return facts.module.file, node.lineno
    return None


def has_own_loop(closure: ImportClosure, site: CallSite) -> bool:
    """Return whether the object that keeps the result keeps an event loop too, and so uses it on that loop."""
    owners = {one.owner for one in closure.select("loops") if one.name in known_names.LOOP_FACTORIES}
    return site.owner is not None and site.owner in owners


def is_reset(closure: ImportClosure, site: CallSite) -> bool:
    """Return whether the variable is set to None again, so that the next invocation creates a new object."""
    return closure.resolve(site.target) in _list_resets(closure)


@lru_cache(maxsize=1)
def _list_resets(closure: ImportClosure) -> set[str | None]:
    return {closure.resolve(one) for facts in closure.modules for one in facts.resets}


def list_users(closure: ImportClosure, site: CallSite) -> list[Scope | None]:
    """Return the functions that mention a kept object, or that call the function which makes it."""
    wanted: set[str] = set()
    for identity in (closure.find_keeper(site), site.target):
        if identity is not None and ":" not in identity:
            name = identity.replace("[]", "")
            wanted |= {name, f".{name.rpartition('.')[2]}"}
    if not wanted and site.function is None:
        return []
    maker = closure.graph.name_of(site.function) if site.function is not None else None
    if maker is not None and not maker.endswith(".__init__"):
        wanted |= {maker, f".{maker.rpartition('.')[2]}"}
    mentions = list_mentions(closure)
    users = dict.fromkeys(scope for name in wanted for scope in mentions.get(name, ()))
    nested = _list_nested(closure)
    return [
        scope
        for scope in users
        if scope is not site.function and not (scope and site.function in nested.get(scope, ()))
    ]


@lru_cache(maxsize=1)
def list_mentions(closure: ImportClosure) -> dict[str, list[Scope | None]]:
    """Return the functions that mention each name, under every name that the same thing has."""
    found: dict[str, list[Scope | None]] = {}
    for facts in closure.modules:
        for scope, names in facts.references.items():
            for name in names | {closure.follow_import(one) for one in names}:
                found.setdefault(name, []).append(scope)
    return found


@lru_cache(maxsize=1)
def _list_nested(closure: ImportClosure) -> dict[Scope, list[Function]]:
    return {scope: inner for facts in closure.modules for scope, inner in facts.nested.items()}


def is_contended(closure: ImportClosure, site: CallSite) -> bool:
    """Return whether two tasks of one invocation may use a kept lock or queue at the same time."""
    users = {one for one in list_users(closure, site) if one is not None and one in closure.on_ended_loops}
    if not users:
        return False
    for facts in closure.modules:
        for scope in facts.references:
            if scope is None or scope not in closure.on_ended_loops:
                continue
            for call in list_started(scope):
                names = _list_started_names(closure, facts, scope, call)
                if users & closure.graph.find_reachable([], names, frozenset(closure.list_mentioned())):
                    return True
    return False


def _list_started_names(closure: ImportClosure, facts: Facts, scope: Scope, call: ast.Call) -> set[str]:
    """Return what a call starts beside others; all that the function mentions if it starts a variable."""
    names: set[str] = set()
    for part in call.args:
        for node in walk(part):
            if (
                isinstance(node, ast.Name)
                and node.id in list_locals(scope)
                and node in (part, getattr(part, "value", None))
            ):
                names |= closure.graph.list_references(scope)
            elif isinstance(node, ast.Name | ast.Attribute):
                names.add(name_reference(facts.module, node))
    return names
