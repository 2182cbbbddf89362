"""The rule about libraries that send from a thread of their own; the data are in background_senders.toml."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from ticketctl.warmstart.static_analysis.facts.import_closure import ImportClosure
from ticketctl.warmstart.static_analysis.facts.module_facts import Facts, Function
from ticketctl.warmstart.static_analysis.finding import SourceFinding, make_finding
from ticketctl.warmstart.static_analysis.libraries.tables import read_table
from ticketctl.warmstart.static_analysis.lifetimes.kept_containers import find_innermost


@dataclass(frozen=True, slots=True)
class _Sender:
    """One entry of the table."""

    root: str
    names: re.Pattern[str]
    sends: str
    flushed_by: frozenset[str]
    flush: str


@lru_cache(maxsize=1)
def _load_senders() -> tuple[_Sender, ...]:
    return tuple(
        _Sender(
            one["root"],
            re.compile(one["names"]),
            one["sends"],
            frozenset(one["flushed_by"]),
            one["flush"],
        )
        for one in read_table("background_senders.toml")["sender"]
    )


def check_unflushed_telemetry(closure: ImportClosure) -> Iterator[SourceFinding]:
    """Yield the first use of each library that sends in the background, where no code waits for it."""
    roots = {
        name.partition(".")[0] for facts in closure.modules for name in facts.module.imported_names.values()
    }
    senders = [one for one in _load_senders() if one.root in roots]
    if not senders:
        return
    mentioned = {name.rpartition(".")[2] for name in closure.list_mentioned()} | _list_keywords(closure)
    for sender in senders:
        place = None if sender.flushed_by & mentioned else _find_first(closure, sender)
        if place is not None:
            file, line, name = place
            yield make_finding(
                (file, line),
                "unflushed-telemetry",
                f"{name} sends {sender.sends} from a thread of its own, and no code waits for it. Lambda freezes the process "
                f"when the response is ready: they are sent late, with a later invocation, or never. Call {sender.flush}, "
                "before the handler returns.",
                breaks=False,
            )


def _list_keywords(closure: ImportClosure) -> set[str]:
    return {
        node.arg
        for facts in closure.modules
        for node in facts.module.nodes
        if isinstance(node, ast.keyword) and node.arg is not None
    }


def _find_first(closure: ImportClosure, sender: _Sender) -> tuple[str, int, str] | None:
    return min(
        (
            (facts.module.file, used.lineno, name)
            for facts in closure.modules
            for used, function in _list_used(facts)
            if sender.names.fullmatch(name := closure.follow_import(facts.module.qualify(used)))
            and closure.is_reachable(function)
        ),
        default=None,
    )


def _list_used(facts: Facts) -> Iterator[tuple[ast.expr, Function | None]]:
    """Yield what a module calls, each with the function around it, and what decorates each function."""
    decorators = {
        decorator: function
        for group in facts.definitions.values()
        for function in group
        for decorator in function.decorator_list
    }
    for decorator, function in decorators.items():
        yield decorator.func if isinstance(decorator, ast.Call) else decorator, function
    for node in facts.module.nodes:
        if isinstance(node, ast.Call) and node not in decorators:
            yield node.func, find_innermost(facts, node)
