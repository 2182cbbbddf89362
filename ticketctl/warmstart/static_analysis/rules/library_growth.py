"""The rules about what libraries and caches keep of each invocation; the data are in growing_libraries.toml."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

from ticketctl.warmstart.static_analysis.facts.escape_analysis import list_all_assignments, list_nodes
from ticketctl.warmstart.static_analysis.facts.import_closure import ImportClosure
from ticketctl.warmstart.static_analysis.facts.module_facts import CallSite, Facts, Function, is_main_guard
from ticketctl.warmstart.static_analysis.finding import SourceFinding, describe_site, make_finding
from ticketctl.warmstart.static_analysis.libraries.tables import read_table
from ticketctl.warmstart.static_analysis.lifetimes.container_removals import find_removals
from ticketctl.warmstart.static_analysis.lifetimes.kept_containers import find_innermost, find_kept_containers
from ticketctl.warmstart.static_analysis.lifetimes.repeated_calls import find_repeated_calls, list_repeated
from ticketctl.warmstart.static_analysis.lifetimes.unique_keys import UniqueKeys
from ticketctl.warmstart.static_analysis.repository.syntax import find_path, last_name, list_children, walk

LOOP_STATES = frozenset({"is_closed", "is_running"})


@dataclass(frozen=True, slots=True)
class _Library:
    """One entry of the table."""

    root: str
    names: re.Pattern[str]
    grows: str
    keeps: str
    methods: frozenset[str]
    undone_by: frozenset[str]


@lru_cache(maxsize=1)
def _load_libraries() -> tuple[_Library, ...]:
    return tuple(
        _Library(
            one["root"],
            re.compile(one["names"]),
            one["grows"],
            one["keeps"],
            frozenset(one.get("methods", ())),
            frozenset(one.get("undone_by", ())),
        )
        for one in read_table("growing_libraries.toml")["library"]
    )


def check_growing_libraries(closure: ImportClosure) -> Iterator[SourceFinding]:
    """Yield the calls after which a library keeps more with each invocation."""
    search = _Search(closure)
    for facts in closure.modules:
        for library, name, call in _list_calls(facts):
            function = find_innermost(facts, call)
            place = (facts.module.file, call.lineno)
            if library.grows == "loop":
                if search.uses_ended_loop(library, function):
                    loop = describe_site(search.ended_loops[0])
                    yield make_finding(
                        place,
                        "client-never-closed",
                        f"{name} keeps {library.keeps}, and {loop} uses a new event loop for each invocation: each one "
                        "leaves its sockets open.",
                        breaks=False,
                    )
            elif search.grows(library, facts, function, call):
                yield make_finding(
                    place,
                    "grows-each-invocation",
                    f"{name} keeps {library.keeps}: each invocation adds more, and no code removes it.",
                )


def _list_calls(facts: Facts) -> Iterator[tuple[_Library, str, ast.Call]]:
    """Yield the calls of a module that the table knows."""
    roots = {name.partition(".")[0] for name in facts.module.imported_names.values()}
    libraries = [one for one in _load_libraries() if any(root.startswith(one.root) for root in roots)]
    for node in facts.module.nodes if libraries else ():
        if isinstance(node, ast.Call) and (name := facts.module.qualify(node.func)):
            yield from ((one, name, node) for one in libraries if one.names.fullmatch(name))


class _Search:
    """Answers which of these calls invocations repeat, and which of these objects they meet again."""

    def __init__(self, closure: ImportClosure) -> None:
        self._closure = closure
        self._calls = find_repeated_calls(closure)
        self._containers = find_kept_containers(closure)

    @cached_property
    def _mentioned(self) -> set[str]:
        """The names that the functions of an invocation mention."""
        names = {name for one in self._closure.handled for name in self._closure.graph.list_references(one)}
        return names | {self._closure.follow_import(name) for name in names if not name.startswith(".")}

    @cached_property
    def ended_loops(self) -> list[CallSite]:
        """The event loops that end with the invocation, except those for want of one that is kept."""
        return [one for one in self._closure.ended_loops if not _is_makeshift(one)]

    def uses_ended_loop(self, library: _Library, function: Function | None) -> bool:
        """Return whether invocations use the library on event loops of their own."""
        if not self.ended_loops:
            return False
        running = self._closure.on_ended_loops
        if not library.methods:
            return function in running
        graph = self._closure.graph
        mentioned = {name.rpartition(".")[2] for one in running for name in graph.list_references(one)}
        return bool(library.methods & mentioned)

    def grows(self, library: _Library, facts: Facts, function: Function | None, call: ast.Call) -> bool:
        """Return whether each invocation adds to what the library keeps."""
        if library.undone_by & {name.rpartition(".")[2] for name in self._mentioned}:
            return False
        if library.grows == "call":
            return (
                function is not None
                and function in self._closure.handled
                and any(one is call for one in list_repeated(facts, function))
                and self._calls.is_repeated(function)
            )
        names = self._list_kept(facts, function, call)
        return bool(names) and not any(
            find_removals(self._closure).may_shrink(name, items=False) for name in names
        )

    def _list_kept(self, facts: Facts, function: Function | None, call: ast.Call) -> set[str]:
        """Return the variables in which an object stays that the functions of an invocation use; empty if it does not."""
        if function is None:
            names = set(_list_variables(facts, call))
            return names if names & self._mentioned else set()
        owner, _, name = (self._closure.graph.name_of(function) or "").rpartition(".")
        for target in (target for target, value in list_all_assignments(function) if value is call):
            if isinstance(target, ast.Subscript) and function in self._closure.handled:
                found = self._containers.find(facts, function, target.value)
                if found is not None and self._containers.is_kept(found[0]):
                    return {found[0]}
            if name == "__init__" and last_name(getattr(target, "value", target)) == "self":
                is_kept = owner in self._closure.kept_factories - self._containers.made_each_time
                return {f"{owner}.{last_name(target)}"} if is_kept and self._is_used(owner) else set()
        return set()

    def _is_used(self, owner: str) -> bool:
        return any(
            (self._closure.graph.name_of(one) or "").startswith(f"{owner}.") for one in self._closure.handled
        )


def _is_makeshift(loop: CallSite) -> bool:
    """Return whether a loop is created after an error, or if another one is closed or is running."""
    if loop.function is None or isinstance(loop.function, ast.Lambda):
        return False
    path = find_path(loop.function, loop.call)
    return any(
        isinstance(one, ast.ExceptHandler)
        or (
            isinstance(one, ast.If)
            and any(getattr(part, "attr", "") in LOOP_STATES for part in walk(one.test))
        )
        for one in path
    )


def _list_variables(facts: Facts, call: ast.Call) -> Iterator[str]:
    """Yield the variables of a module that refer to what a call at its top level makes, directly or within an object."""
    names: set[str] = set()
    waiting: list[ast.AST] = list(facts.module.tree.body)
    while waiting:
        statement = waiting.pop(0)
        if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
            nodes = list_nodes(statement.value)
            if call in nodes or any(isinstance(one, ast.Name) and one.id in names for one in nodes):
                targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
                names |= {one.id for one in targets if isinstance(one, ast.Name)}
        elif not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not (
            isinstance(statement, ast.If) and is_main_guard(statement.test)
        ):
            below = [one for one in list_children(statement) if isinstance(one, ast.stmt | ast.ExceptHandler)]
            waiting[:0] = below
    yield from (f"{facts.module.name}.{name}" for name in names)


def check_caches(closure: ImportClosure) -> Iterator[SourceFinding]:
    """Yield the functions with a cache without a limit, which each invocation calls with arguments that are new."""
    calls, containers = find_repeated_calls(closure), find_kept_containers(closure)
    unique = UniqueKeys(closure, containers)
    for facts in closure.modules:
        for name, group in facts.definitions.items():
            for function in group:
                if not _has_endless_cache(facts, function) or function not in closure.handled:
                    continue
                if not any(map(calls.is_repeated, calls.list_callers(function))):
                    continue
                arguments = [one.arg for one in (*function.args.posonlyargs, *function.args.args)]
                owner = name.rpartition(".")[0]
                is_method = arguments[:1] == ["self"] and not _compares(facts, owner)
                news = ["self"] if is_method and owner in containers.made_each_time else []
                news += [
                    one
                    for one in arguments
                    if (passed := list(containers.list_passed(function, one)))
                    and all(unique.is_unique(*pair) for pair in passed)
                ]
                if news:
                    yield make_finding(
                        (facts.module.file, function.lineno),
                        "grows-each-invocation",
                        f"The cache of {function.name}() has no limit, and each invocation calls it with another "
                        f"{news[0]}: it keeps one more result each time.",
                    )


def _has_endless_cache(facts: Facts, function: Function) -> bool:
    for one in function.decorator_list:
        name = facts.module.qualify(one.func if isinstance(one, ast.Call) else one)
        if name == "functools.cache":
            return True
        if name == "functools.lru_cache" and isinstance(one, ast.Call):
            sizes = [*one.args[:1], *(part.value for part in one.keywords if part.arg == "maxsize")]
            return any(isinstance(size, ast.Constant) and size.value is None for size in sizes)
    return False


def _compares(facts: Facts, owner: str) -> bool:
    """Return whether instances of a class may equal one another, so that a cache takes them for the same."""
    nodes = [
        node
        for node in facts.module.nodes
        if isinstance(node, ast.ClassDef) and owner.endswith(f".{node.name}")
    ]
    return any(
        node.decorator_list or node.bases or any(getattr(one, "name", "") == "__hash__" for one in node.body)
        for node in nodes
    )
