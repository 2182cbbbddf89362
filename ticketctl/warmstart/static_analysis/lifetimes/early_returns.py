"""Ways out of a function that come before the try statement whose finally block closes an object."""

import ast
from collections.abc import Iterator

from ticketctl.warmstart.static_analysis.facts.escape_analysis import list_all_assignments, list_nodes
from ticketctl.warmstart.static_analysis.facts.import_closure import ImportClosure
from ticketctl.warmstart.static_analysis.facts.module_facts import CallSite, Function
from ticketctl.warmstart.static_analysis.libraries import known_names
from ticketctl.warmstart.static_analysis.repository.syntax import is_method_call, walk


def find_early_return(closure: ImportClosure, site: CallSite) -> tuple[str, int] | None:
    """Return file and line of a return statement that leaves what a call creates open; None if there is none."""
    maker = closure.graph.name_of(site.function) if site.function is not None else None
    for facts in closure.modules:
        for scope in facts.references:
            if scope is None or isinstance(scope, ast.Lambda) or scope not in closure.handled:
                continue
            for target, value in list_all_assignments(scope):
                if not isinstance(target, ast.Name) or not isinstance(value, ast.Call):
                    continue
                is_made = maker and closure.follow_import(facts.module.qualify(value.func)) == maker
                if value is site.call or is_made:
                    for line in _list_early_returns(scope, target.id, value):
                        return facts.module.file, line
    return None


def _list_early_returns(function: Function, name: str, value: ast.Call) -> Iterator[int]:
    """Yield the return statements between the assignment of a variable and the try statement that closes it."""
    places = [index for index, one in enumerate(function.body) if value in list_nodes(one)]
    ends = [
        index
        for index, one in enumerate(function.body)
        if isinstance(one, ast.Try) and any(_closes(part, name) for part in one.finalbody)
    ]
    if not places or not ends:
        return
    between = function.body[places[0] + 1 : ends[0]]
    if any(_closes(one, name) for one in between):
        return
    for statement in between:
        # `if client is None: return` leaves nothing open
        tested = walk(statement.test) if isinstance(statement, ast.If) else ()
        if not any(isinstance(one, ast.Name) and one.id == name for one in tested):
            yield from (one.lineno for one in list_nodes(statement) if isinstance(one, ast.Return))


def _closes(statement: ast.stmt, name: str) -> bool:
    return any(is_method_call(one, name, known_names.CLOSERS) for one in walk(statement))
