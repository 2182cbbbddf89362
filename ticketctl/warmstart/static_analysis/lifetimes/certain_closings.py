"""Where an object is closed however the invocation ends: in a finally block, or by a function that one calls."""

import ast
from collections.abc import Iterable, Iterator
from functools import lru_cache

from ticketctl.warmstart.static_analysis.facts.closing_reader import list_certain
from ticketctl.warmstart.static_analysis.facts.escape_analysis import list_nodes
from ticketctl.warmstart.static_analysis.facts.import_closure import ImportClosure
from ticketctl.warmstart.static_analysis.facts.module_facts import CallSite, Closing, Facts, Function
from ticketctl.warmstart.static_analysis.libraries import known_names


def find_closing(closure: ImportClosure, site: CallSite, *, certain: bool = True) -> Closing | None:
    """Return where the object that a call creates is closed; `certain`: however the invocation ends."""
    identity = closure.resolve(closure.find_keeper(site) or site.target)
    if identity is None:
        return None
    same = _list_by_identity(closure).get(identity, ())
    return next((one for one in same if not certain or is_certain(closure, one)), None)


@lru_cache(maxsize=1)
def _list_by_identity(closure: ImportClosure) -> dict[str, list[Closing]]:
    """Return the closings by the identity of the object that they close."""
    found: dict[str, list[Closing]] = {}
    for one in (one for facts in closure.modules for one in facts.closings):
        if one.identity and (identity := closure.resolve(one.identity)):
            found.setdefault(identity, []).append(one)
    return found


def is_certain(closure: ImportClosure, closing: Closing) -> bool:
    """Return whether a closing runs however the coroutine ends that uses the object."""
    return closing.certain or closing.function in _list_certainly_called(closure)


@lru_cache(maxsize=1)
def _list_certainly_called(closure: ImportClosure) -> frozenset[Function]:
    """Return the functions that a finally block calls on a loop that ends, and what those call in turn."""
    definitions = {name: group for facts in closure.modules for name, group in facts.definitions.items()}
    waiting = {
        name
        for function, facts in closure.functions.items()
        if function in closure.on_ended_loops
        for name in _list_called(closure, facts, function, _list_ends(function))
    }
    seen: set[str] = set()
    found: set[Function] = set()
    while waiting:
        name = waiting.pop()
        seen.add(name)
        for function in definitions.get(name, ()):
            found.add(function)
            waiting |= (
                set(_list_called(closure, closure.functions[function], function, list_nodes(function))) - seen
            )
    return frozenset(found)


def _list_called(
    closure: ImportClosure, facts: Facts, function: Function, nodes: Iterable[ast.AST]
) -> Iterator[str]:
    """Yield the qualified names of the functions that nodes of a function call, or give to an exit stack to call."""
    for node in nodes:
        if isinstance(node, ast.Call):
            for part in (node.func, *(node.args[:1] if _is_exit_callback(node) else ())):
                identity = closure.graph.identify(facts.module, function, part)
                if identity is not None:
                    yield _find_method(closure, identity)


def _list_ends(function: Function) -> Iterator[ast.AST]:
    """Yield the nodes that run however the function ends, and the calls that give an exit stack a function to call."""
    yield from list_certain(function)
    yield from filter(_is_exit_callback, list_nodes(function))


def _is_exit_callback(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in known_names.EXIT_CALLBACKS
    )


def _find_method(closure: ImportClosure, identity: str) -> str:
    """Return the qualified name of a function; of a method that a variable's object has, as far as its class is known."""
    name = closure.follow_import(identity)
    if closure.graph.is_defined(name):
        return name
    receiver, _, method = identity.rpartition(".")
    maker = closure.find_maker(receiver)
    return f"{maker}.{method}" if maker else name
