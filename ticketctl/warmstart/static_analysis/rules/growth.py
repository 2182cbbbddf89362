"""The rule about containers of the process that each invocation lets grow."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from ticketctl.warmstart.static_analysis.facts.import_closure import ImportClosure
from ticketctl.warmstart.static_analysis.facts.module_facts import Facts, Function
from ticketctl.warmstart.static_analysis.finding import SourceFinding, make_finding
from ticketctl.warmstart.static_analysis.lifetimes.container_reader import is_bounded_deque
from ticketctl.warmstart.static_analysis.lifetimes.container_removals import find_removals
from ticketctl.warmstart.static_analysis.lifetimes.kept_containers import (
    find_innermost,
    find_kept_containers,
)
from ticketctl.warmstart.static_analysis.lifetimes.repeated_calls import (
    LEAVING,
    asks_for_missing,
    find_repeated_calls,
    tests_state,
)
from ticketctl.warmstart.static_analysis.lifetimes.unique_keys import UniqueKeys
from ticketctl.warmstart.static_analysis.repository.source import SourceModule
from ticketctl.warmstart.static_analysis.repository.syntax import find_path, is_conditional, last_name

APPENDERS = frozenset({"append", "appendleft", "extend", "extendleft", "insert"})
STAND_IN = re.compile(
    r"(^|[._])(fake|mock|stub|dummy|null|test|in_?memory)|(Fake|Mock|Stub|Dummy|Null|InMemory)"
)
"""Names of classes and modules that take another one's place, in tests or on a developer's machine."""
DEVELOPMENT = re.compile(r"(?i)debug|local|test|mock|verbose|dev(elop\w*)?\b")
"""Words in conditions that do not hold on Lambda."""
NEVER_AGAIN = frozenset({"__init__", "__init_subclass__", "__new__", "__set_name__"})


@dataclass(frozen=True, slots=True)
class _Growth:
    """Code that may add an entry. `keys`: of a dictionary or a set, whose entries are new only if a key is."""

    node: ast.stmt | ast.expr
    receiver: ast.expr
    kind: str
    keys: tuple[ast.expr, ...] = ()


def check_growth(closure: ImportClosure) -> Iterator[SourceFinding]:
    """Yield the first place where each invocation adds an entry to a container that outlives it."""
    search = _Search(closure)
    if not search.containers.every:
        return
    found: dict[str, list[tuple[str, int]]] = {}
    certain: set[str] = set()
    for facts in closure.modules:
        for function, growth in search.list_growths(facts):
            identity = search.identify(facts, function, growth)
            if identity is not None:
                found.setdefault(identity, []).append((facts.module.file, growth.node.lineno))
                is_certain = not is_conditional(function, growth.node) and not search.may_be_reset(identity)
                certain |= {identity} if is_certain else set()
    for identity, places in found.items():
        name = identity.rpartition(".")[2].rpartition(":")[2]
        kind = search.containers.every[identity].kind
        noun = {"dict": "dictionary"}.get(kind, kind)
        none = (
            "code empties it only on request" if search.may_be_reset(identity) else "no code removes entries"
        )
        yield make_finding(
            min(places),
            "grows-each-invocation",
            f"Each invocation that comes here adds an entry to {name}, a {noun} that lives as long as the process, and "
            f"{none}: it grows until the execution environment has no memory left.",
            breaks=identity in certain,
        )


@lru_cache(maxsize=1024)
def _read_growths(module: SourceModule) -> tuple[_Growth, ...]:
    """Return the places of a module that may add an entry to a container."""
    return tuple(one for node in module.nodes for one in _list_growths(node))


def _list_growths(node: ast.AST) -> Iterator[_Growth]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        method, receiver = node.func.attr, node.func.value
        if method in APPENDERS:
            yield _Growth(node, receiver, "list")
        elif method == "add" and len(node.args) == 1:
            yield _Growth(node, receiver, "set", (node.args[0],))
        elif method == "setdefault" and node.args:
            yield _Growth(node, receiver, "dict", (node.args[0],))
        elif method == "update" and node.args and isinstance(node.args[0], ast.Dict):
            yield _Growth(node, receiver, "dict", tuple(one for one in node.args[0].keys if one is not None))
    elif (
        isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add) and isinstance(node.value, ast.List)
    ):
        yield _Growth(node, node.target, "list")
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            if isinstance(target, ast.Subscript) and not isinstance(target.slice, ast.Slice | ast.Constant):
                yield _Growth(node, target.value, "dict", (target.slice,))


class _Search:
    """Finds what grows in the functions of an invocation."""

    def __init__(self, closure: ImportClosure) -> None:
        self._closure = closure
        self._calls = find_repeated_calls(closure)
        self.containers = find_kept_containers(closure)
        self._unique = UniqueKeys(closure, self.containers)

    def list_growths(self, facts: Facts) -> Iterator[tuple[Function, _Growth]]:
        """Yield the places of a module that run in an invocation, with the innermost function around each."""
        for growth in _read_growths(facts.module):
            function = find_innermost(facts, growth.node)
            if function is not None and self._is_handled(function):
                yield function, growth

    def may_be_reset(self, identity: str) -> bool:
        """Return whether code empties the container, but only when someone asks for it."""
        return find_removals(self._closure).may_be_reset(identity)

    def _is_handled(self, function: Function) -> bool:
        return function in self._closure.handled and function.name not in NEVER_AGAIN

    def identify(self, facts: Facts, function: Function, growth: _Growth) -> str | None:
        """Return the identity of the container that grows without end; None if it does not."""
        found = self.containers.find(facts, function, growth.receiver)
        if found is None:
            return None
        identity, level = found
        keys = [one for one in growth.keys if self._unique.is_unique(facts, function, one)]
        kind = self.containers.every[identity].kind
        if (growth.keys and not keys) or (level == 0 and growth.kind != kind) or (level and kind != "dict"):
            return None
        if STAND_IN.search(identity) or (level and _bounds_items(facts)):
            return None
        if not self.containers.is_kept(identity) or not self._calls.is_repeated(function):
            return None
        if self._is_prevented(facts, function, growth.node, {ast.dump(one) for one in keys}):
            return None
        return None if find_removals(self._closure).may_shrink(identity, items=level > 0) else identity

    def _is_prevented(self, facts: Facts, function: Function, node: ast.AST, unique: set[str]) -> bool:
        """Return whether what earlier invocations have done, or the want of an error, keeps code from running."""
        parents = find_path(function, node)
        for parent, child in zip(parents, [*parents[1:], node], strict=True):
            if isinstance(parent, ast.ExceptHandler):
                return True
            if isinstance(parent, ast.If | ast.IfExp) and child is not parent.test:
                is_development = DEVELOPMENT.search(ast.unparse(parent.test))
                if is_development or self._asks_for_past(facts, function, parent.test, unique):
                    return True
            before = _list_before(parent, child)
            if any(self._leaves(facts, function, one, unique) for one in before):
                return True
        return False

    def _leaves(self, facts: Facts, function: Function, statement: ast.stmt, unique: set[str]) -> bool:
        """Return whether a statement ends the function if an earlier invocation has done something."""
        return (
            isinstance(statement, ast.If)
            and any(isinstance(one, LEAVING) for one in statement.body)
            and not isinstance(statement.body[-1], ast.Raise)  # it refuses this request, not each later one
            and not asks_for_missing(function, statement.test)
            and self._asks_for_past(facts, function, statement.test, unique)
        )

    def _asks_for_past(self, facts: Facts, function: Function, test: ast.expr, unique: set[str]) -> bool:
        """Return whether a condition asks what is left of earlier invocations; a new key is never among it."""
        asks_for_new = (
            isinstance(test, ast.Compare)
            and isinstance(test.ops[0], ast.In | ast.NotIn)
            and ast.dump(test.left) in unique
        )
        return not asks_for_new and tests_state(facts, function, test)


def _list_before(parent: ast.AST, child: ast.AST) -> list[ast.stmt]:
    """Return the statements that come before one in its block."""
    blocks = (getattr(parent, name, None) for name in ("body", "orelse", "finalbody"))
    return next(
        (block[: block.index(child)] for block in blocks if isinstance(block, list) and child in block), []
    )


def _bounds_items(facts: Facts) -> bool:
    """Return whether a module makes a queue with a maximum length, which may be an item of a dictionary."""
    return any(
        isinstance(node, ast.Call) and last_name(node.func) == "deque" and is_bounded_deque(node)
        for node in facts.module.nodes
    )
