"""Reads what functions pass to others: objects that the other function may keep, and functions that it may call."""

import ast

from ticketctl.warmstart.static_analysis import known_names
from ticketctl.warmstart.static_analysis.call_graph import name_reference
from ticketctl.warmstart.static_analysis.escape_analysis import Identities, unwrap_await
from ticketctl.warmstart.static_analysis.facts import Facts, Handover, Scope


def note_arguments(facts: Facts, name: str, node: ast.Call, scopes: list[Scope], classes: list[str]) -> None:
    """Add to the facts what a call of the function `name` is passed."""
    identities = Identities(facts.module)
    last = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
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
