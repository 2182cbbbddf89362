"""The rule about clients that each invocation opens and never closes."""

import ast
from collections.abc import Iterable, Iterator

from ticketctl.warmstart.static_analysis.facts.escape_analysis import (
    list_all_assignments,
    list_nodes,
    unwrap_await,
)
from ticketctl.warmstart.static_analysis.facts.import_closure import ImportClosure
from ticketctl.warmstart.static_analysis.facts.module_facts import CallSite
from ticketctl.warmstart.static_analysis.finding import SourceFinding, make_finding, name_call
from ticketctl.warmstart.static_analysis.libraries import constructors, known_names
from ticketctl.warmstart.static_analysis.lifetimes.early_returns import find_early_return
from ticketctl.warmstart.static_analysis.lifetimes.held_clients import is_dropped_with_holder
from ticketctl.warmstart.static_analysis.lifetimes.object_use import calls_method


def check_unclosed_clients(closure: ImportClosure) -> Iterator[SourceFinding]:
    """Yield the clients that each invocation creates and no code closes."""
    # an older library may give the same name to a client that is synchronous
    is_async = any(isinstance(one, ast.AsyncFunctionDef) for one in closure.handled)
    sites = [one for one in closure.select("clients") if is_async and constructors.is_left_open(one.name)]
    kept = closure.select_kept("clients") if sites else []
    for site in sites:
        if site in kept or site.function not in closure.handled or _is_managed(site):
            continue
        openers = constructors.list_openers(site.name)
        if openers and not calls_method(closure, openers):
            continue
        created = f"Each invocation creates an object with {name_call(site)}()"
        leaves = _leaves_function(site) and not is_dropped_with_holder(closure, site)
        if not closure.may_be_closed(site, leaves=leaves):
            why = "no code closes it"
        elif (method := constructors.find_initializer(site.name)) and not _is_initialized(closure, method):
            why = f"what closes it does nothing, since no code awaits {method}()"
        elif early := find_early_return(closure, site):
            why = f"the return at {early[0]}:{early[1]} comes before the finally block that closes it"
        else:
            continue
        yield make_finding(
            site.place,
            "client-never-closed",
            f"{created}, and {why}: its sockets stay open until the garbage collector runs.",
            breaks=False,
        )


def _is_initialized(closure: ImportClosure, method: str) -> bool:
    """Return whether reachable code calls the method, or enters an object with `async with bot:`."""
    return calls_method(closure, [method]) or any(
        isinstance(node, ast.AsyncWith)
        and any(not isinstance(item.context_expr, ast.Call) for item in node.items)
        for scope in closure.handled
        for node in list_nodes(scope)
    )


def _is_managed(site: CallSite) -> bool:
    """Return whether a with statement or an exit stack closes the object."""
    return any(
        site.call in list_nodes(part)
        for node in list_nodes(site.function or site.call)
        for part in _list_managed_parts(node)
    )


def _list_managed_parts(node: ast.AST) -> Iterable[ast.expr]:
    if isinstance(node, ast.With | ast.AsyncWith):
        return [item.context_expr for item in node.items]
    is_stack = (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in known_names.CONTEXT_STACKS
    )
    return node.args if is_stack else ()  # type: ignore[attr-defined]


def _leaves_function(site: CallSite) -> bool:
    """Return whether the object is returned, passed on, or stored in another object."""
    if site.owner is not None or site.function is None:
        return True
    nodes = list_nodes(site.function)
    pairs = list_all_assignments(site.function)
    names = {target.id for target, value in pairs if value is site.call and isinstance(target, ast.Name)}
    values: list[ast.expr] = [
        value for target, value in pairs if value is not None and not isinstance(target, ast.Name)
    ]
    for node in nodes:
        if isinstance(node, ast.Return | ast.Yield) and node.value is not None:
            values.append(node.value)
        elif isinstance(node, ast.Call):
            values += [*node.args, *(one.value for one in node.keywords)]
        elif isinstance(node, ast.List | ast.Tuple | ast.Set):
            values += node.elts
        elif isinstance(node, ast.Dict):
            values += node.values
    return any(
        one is site.call or (isinstance(one, ast.Name) and one.id in names)
        for one in map(unwrap_await, values)
    )
