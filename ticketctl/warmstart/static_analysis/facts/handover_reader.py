"""Reads what functions pass to others: objects that the other function may keep, and functions that it may call."""

import ast
from collections.abc import Iterator

from ticketctl.warmstart.static_analysis.facts.call_graph import name_reference
from ticketctl.warmstart.static_analysis.facts.escape_analysis import Identities, unwrap_await
from ticketctl.warmstart.static_analysis.facts.module_facts import Facts, Handover, Scope
from ticketctl.warmstart.static_analysis.libraries import known_names
from ticketctl.warmstart.static_analysis.repository.source import SourceModule
from ticketctl.warmstart.static_analysis.repository.syntax import last_name


def note_arguments(facts: Facts, name: str, node: ast.Call, scopes: list[Scope], classes: list[str]) -> None:
    """Add to the facts what a call of the function `name` is passed."""
    facts.lifespans |= set(_list_lifespans(facts.module, node))
    identities = Identities(facts.module)
    last = last_name(node.func)
    pairs: list[tuple[int | str | None, ast.expr]] = [*enumerate(node.args)]
    pairs += [(keyword.arg, keyword.value) for keyword in node.keywords]
    for position, value in pairs:
        if isinstance(value, ast.Name | ast.Attribute) and last not in known_names.ASGI_REGISTRARS:
            facts.callbacks.add(name_reference(facts.module, value))
        if not name or position is None or not scopes:
            continue
        kept = unwrap_await(value)
        source = kept if isinstance(kept, ast.Call) else identities.identify(kept, scopes, classes)
        if isinstance(source, ast.Call) or (source is not None and ":" in source):
            facts.handovers.append(Handover(name, position, source))


def note_keeper(
    facts: Facts, scopes: list[Scope], classes: list[str], identity: str, value: ast.expr
) -> None:
    """Add to the facts a function that keeps its argument in a global, or a class that keeps it in an attribute."""
    if len(scopes) != 1 or not isinstance(value, ast.Name) or ":" in identity:
        return
    function = scopes[0]
    arguments = [one.arg for one in (*function.args.posonlyargs, *function.args.args)]
    if value.id not in arguments or isinstance(function, ast.Lambda):
        return
    is_constructor = bool(classes) and function.name == "__init__"
    if classes and not is_constructor:
        return
    name = ".".join([facts.module.name, *(classes if is_constructor else [function.name])])
    kept = facts.keepers.setdefault(name, {})
    kept[arguments.index(value.id) - is_constructor] = kept[value.id] = identity


def _list_lifespans(module: SourceModule, node: ast.Call) -> Iterator[str]:
    """Yield the functions that a call gives an ASGI application to run when it starts and ends."""
    is_event = isinstance(node.func, ast.Attribute) and node.func.attr == known_names.ADD_EVENT_HANDLER
    values = [one.value for one in node.keywords if one.arg in known_names.LIFESPAN_ARGUMENTS]
    for value in (*values, *(node.args if is_event else ())):
        for one in value.elts if isinstance(value, ast.List | ast.Tuple) else [value]:
            if isinstance(one, ast.Name | ast.Attribute) and (name := module.qualify(one)):
                yield name


def list_dependencies(module: SourceModule) -> Iterator[str]:
    """Yield the functions that routes depend on: `= Depends(connect)`, also in an annotation."""
    for node in module.nodes:
        if isinstance(node, ast.Call) and node.args:
            last = last_name(node.func)
            if last == known_names.DEPENDS and (name := module.qualify(node.args[0])):
                yield name


def list_passed_runners(module: SourceModule, node: ast.Call) -> Iterator[str]:
    """Yield the functions that run a loop and are passed on to be called: pool.submit(asyncio.run, main())."""
    names = map(module.qualify, (*node.args, *(keyword.value for keyword in node.keywords)))
    yield from (name for name in names if name in known_names.LOOP_RUNNERS)
