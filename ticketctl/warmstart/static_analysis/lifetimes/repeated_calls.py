"""Which functions run again in each invocation, and which ones a condition on earlier invocations keeps from that."""

import ast
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from ticketctl.warmstart.static_analysis.facts.call_graph import is_named_after
from ticketctl.warmstart.static_analysis.facts.escape_analysis import (
    Escapes,
    list_globals,
    list_locals,
    list_nodes,
    list_own_arguments,
)
from ticketctl.warmstart.static_analysis.facts.import_closure import ImportClosure
from ticketctl.warmstart.static_analysis.facts.module_facts import Facts, Function, Scope
from ticketctl.warmstart.static_analysis.libraries import known_names
from ticketctl.warmstart.static_analysis.lifetimes.object_use import list_mentions
from ticketctl.warmstart.static_analysis.repository.syntax import last_name, list_children, walk

LEAVING = (ast.Return, ast.Raise, ast.Continue, ast.Break)
STATES = frozenset({"handlers", "hasHandlers", "initialized", "_initialized", "running"})
"""Attributes that say what an earlier call has done with an object."""


class _Mentioned(NamedTuple):
    """The names that a function mentions, those that it mentions in each call, and the calls among these by name."""

    names: frozenset[str]
    repeated_names: frozenset[str]
    repeated_calls: dict[str, list[ast.Call]]


class RepeatedCalls:
    """Answers which functions of one handler's import closure run again in each invocation."""

    def __init__(self, closure: ImportClosure) -> None:
        self._closure = closure
        self._mentioned: dict[Function, _Mentioned] = {}
        own = next(one for one in closure.modules if one.module.path == closure.root.path)
        decorated = {one for facts in closure.modules for one in facts.decorated}
        self._entries: set[Scope] = {*decorated, *own.handlers, *closure.lifespans}

    def find_facts(self, function: Scope) -> Facts | None:
        """Return the module of a function; None for a lambda."""
        return self._closure.functions.get(function) if not isinstance(function, ast.Lambda) else None

    def is_repeated(self, function: Scope, seen: frozenset[Scope] = frozenset()) -> bool:
        """Return whether each invocation may run a function, under no condition on what earlier ones have done."""
        facts = self.find_facts(function)
        if facts is None or isinstance(function, ast.Lambda) or function not in self._closure.handled:
            return False
        if Escapes(function, facts.module).is_cached():
            return False
        if function in self._entries or seen & {function}:
            return function in self._entries
        callers = list(self.list_callers(function))
        if not callers:
            return function.name != "__init__"  # a library calls it, by a name that it was passed
        return any(
            self.is_repeated(one, seen | {function}) for one in callers if self._mentions(one, function)
        )

    def list_callers(self, function: Function) -> Iterator[Function]:
        """Yield the functions of an invocation that mention a function, or the class of a constructor."""
        name = self._closure.graph.name_of(function) or ""
        is_init = function.name == "__init__"
        name = name.removesuffix(".__init__") if is_init else name
        mentions = list_mentions(self._closure)
        for wanted in (name,) if is_init else (name, f".{function.name}"):
            for scope in mentions.get(wanted, ()):
                if scope is None or isinstance(scope, ast.Lambda) or scope is function:
                    continue
                is_method = wanted.startswith(".")
                if scope in self._closure.handled and (not is_method or self._may_call(scope, name)):
                    yield scope

    def _may_call(self, caller: Function, method: str) -> bool:
        """Return whether a mention of a method's name in a function may mean the method of this qualified name.

        Where several classes have such a method, it is that of a class of the same module, or of the class that an object
        is named after.
        """
        owner, _, last = method.rpartition(".")
        owners = {one for facts in self._closure.modules for one, _ in facts.methods.get(f".{last}", ())}
        facts = self._closure.functions.get(caller)
        if len(owners) < 2 or facts is None:  # noqa: PLR2004 there is one class to choose from
            return True
        receivers = facts.receivers.get(f".{last}", ())
        return owner.rpartition(".")[0] == facts.module.name or any(
            is_named_after(one, owner) for one in receivers
        )

    def _mentions(self, caller: Function, function: Function) -> bool:
        """Return whether a function mentions another one under no condition on what earlier invocations have done."""
        name = (self._closure.graph.name_of(function) or "").removesuffix(".__init__").rpartition(".")[2]
        mentioned = self._list_mentioned(caller)
        # under another name, as an import may give it, or in a table
        return mentioned is None or name not in mentioned.names or name in mentioned.repeated_names

    def list_calls(self, caller: Function, name: str) -> list[ast.Call]:
        """Return the calls of something with this name that a function makes, whatever earlier invocations have done."""
        mentioned = self._list_mentioned(caller)
        return mentioned.repeated_calls.get(name, []) if mentioned is not None else []

    def _list_mentioned(self, caller: Function) -> "_Mentioned | None":
        facts = self._closure.functions.get(caller)
        if facts is not None and caller not in self._mentioned:
            repeated = list(list_repeated(facts, caller))
            calls: dict[str, list[ast.Call]] = {}
            for one in repeated:
                if isinstance(one, ast.Call):
                    calls.setdefault(last_name(one.func), []).append(one)
            names, repeated_names = (
                frozenset(map(last_name, list_nodes(caller))),
                frozenset(map(last_name, repeated)),
            )
            self._mentioned[caller] = _Mentioned(names, repeated_names, calls)
        return self._mentioned.get(caller)


@lru_cache(maxsize=1)
def find_repeated_calls(closure: ImportClosure) -> RepeatedCalls:
    """Return the answers about one closure, which several rules ask."""
    return RepeatedCalls(closure)


def list_passed(call: ast.Call, function: Function, name: str) -> Iterator[ast.expr]:
    """Yield what a call passes to a function as its argument of this name."""
    yield from (one.value for one in call.keywords if one.arg == name)
    arguments = list_own_arguments(function)
    if name in arguments:
        yield from call.args[(index := arguments.index(name)) : index + 1]


def list_repeated(facts: Facts, function: Function, *, is_strict: bool = False) -> Iterator[ast.AST]:
    """Yield the nodes of a function that run in each call, whatever earlier calls have done.

    is_strict: leave out what any condition, or an error, decides.
    """
    yield from _list_in_block(facts, function, function.body, is_strict=is_strict)


def _list_in_block(
    facts: Facts, function: Function, block: list[ast.stmt], *, is_strict: bool
) -> Iterator[ast.AST]:
    for statement in block:
        if isinstance(statement, ast.If) and tests_state(facts, function, statement.test):
            yield from walk(statement.test)
            is_leaving = any(isinstance(one, LEAVING) for one in statement.body)
            if is_leaving and not asks_for_missing(function, statement.test):
                return
        elif isinstance(statement, ast.If | ast.ExceptHandler | ast.ClassDef) and is_strict:
            continue
        else:
            yield from _list_in_statement(facts, function, statement, is_strict=is_strict)


def _list_in_statement(
    facts: Facts, function: Function, statement: ast.AST, *, is_strict: bool
) -> Iterator[ast.AST]:
    yield statement
    is_function = isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    if is_function and is_strict:
        for decorator in getattr(statement, "decorator_list", ()):
            yield from walk(decorator)
        return
    blocks = [
        block
        for name in ("body", "orelse", "finalbody")
        if isinstance(block := getattr(statement, name, None), list)
    ]
    inside = {id(one) for block in blocks for one in block}
    for child in list_children(statement):
        if id(child) in inside or (is_strict and isinstance(child, ast.ExceptHandler | ast.IfExp)):
            continue
        yield from _list_in_statement(facts, function, child, is_strict=is_strict)
    for block in blocks:
        yield from _list_in_block(facts, function, block, is_strict=is_strict)


def tests_state(facts: Facts, function: Function, test: ast.expr) -> bool:
    """Return whether a condition asks what an earlier invocation has left: a global, an attribute, a missing object."""
    arguments = {one.arg for one in walk(function.args) if isinstance(one, ast.arg)} - {"self", "cls"}
    local = list_locals(function)
    called = {id(one.func) for one in walk(test) if isinstance(one, ast.Call)}
    for node in walk(test):
        if isinstance(node, ast.Attribute) and node.attr in STATES:
            return True
        if not isinstance(node, ast.Name) or id(node) in called:
            continue
        if node.id in {"self", "cls"}:
            return True
        if node.id in local:
            if node.id not in arguments and _is_missing_test(test, node):
                return True
        elif node.id in facts.module.top_level_names and not _is_constant(test, node):
            return True
    return False


def asks_for_missing(function: Function, test: ast.expr) -> bool:
    """Return whether a condition is `not name` or `name is None`, unless the function sets that global.

    What comes after `if bot is None: return` runs in each invocation that has the object.
    """
    names = [one for one in walk(test) if isinstance(one, ast.Name)]
    return (
        len(names) == 1
        and names[0].id not in list_globals(function)
        and test is not names[0]
        and _is_missing_test(test, names[0])
        and not any(isinstance(one, ast.IsNot) for one in getattr(test, "ops", ()))
    )


def _is_missing_test(test: ast.expr, name: ast.Name) -> bool:
    """Return whether a condition is `name is None`, `not name` or `name`."""
    if isinstance(test, ast.Compare):
        return test.left is name and all(isinstance(one, ast.Is | ast.IsNot) for one in test.ops)
    return test is name or (isinstance(test, ast.UnaryOp) and test.operand is name)


def _is_constant(test: ast.expr, name: ast.Name) -> bool:
    """Return whether a name is that of a constant, or of an object whose constant is asked for: `settings.DEBUG`."""
    return name.id.isupper() or any(
        isinstance(one, ast.Attribute) and one.value is name and one.attr.isupper() for one in walk(test)
    )


def is_registrar(name: str, call: ast.Call) -> bool:
    """Return whether a call adds to a list inside an object; `name`: the qualified name of what is called."""
    if name in known_names.REGISTERING_FUNCTIONS:
        return True
    if not isinstance(call.func, ast.Attribute):
        return False
    return call.func.attr in known_names.REGISTRARS or (
        call.func.attr == known_names.REGISTER and last_name(call.func.value) in known_names.OBSERVERS
    )
