"""Which objects outlive the function that creates them, and the identity of the variables that hold them.

An identity is a string that is the same wherever the same variable or attribute is meant: "module.name" for a global,
"module.Class.name" for an attribute of instances or of the class, "module:LINE.name" for a local variable of the
function at LINE. An item of a container has its container's identity with "[]" appended.
"""

import ast
from collections.abc import Iterator
from functools import lru_cache

from ticketctl.warmstart.static_analysis.facts.module_facts import Function, Scope
from ticketctl.warmstart.static_analysis.libraries import known_names
from ticketctl.warmstart.static_analysis.repository.source import SourceModule
from ticketctl.warmstart.static_analysis.repository.syntax import walk

FUNCTIONS = 65_536
"""Functions of which the answers are kept: each handler of a large repository asks them again."""
ASSIGNMENTS = (ast.Assign, ast.AnnAssign, ast.NamedExpr)
LOOP_GETTERS = frozenset({"asyncio.get_running_loop", "asyncio.get_event_loop"})


@lru_cache(maxsize=FUNCTIONS)
def list_nodes(tree: ast.AST) -> tuple[ast.AST, ...]:
    """Return every node below a node, which several questions in turn are asked of."""
    return tuple(walk(tree))


@lru_cache(maxsize=FUNCTIONS)
def list_globals(function: Function) -> frozenset[str]:
    """Return the names that a function declares global."""
    return frozenset(
        name for node in list_nodes(function) if isinstance(node, ast.Global) for name in node.names
    )


def list_own_arguments(function: Function) -> list[str]:
    """Return the names of a function's arguments, without `self`."""
    names = [one.arg for one in (*function.args.posonlyargs, *function.args.args)]
    return names[1:] if names[:1] in (["self"], ["cls"]) else names


@lru_cache(maxsize=FUNCTIONS)
def list_locals(function: Scope) -> frozenset[str]:
    """Return the names that are a function's own: its arguments and the variables that it assigns."""
    nodes = list_nodes(function)
    arguments = {one.arg for one in nodes if isinstance(one, ast.arg)}
    stored = {one.id for one in nodes if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}
    return frozenset(arguments | stored) - (
        frozenset() if isinstance(function, ast.Lambda) else list_globals(function)
    )


def list_shared_defaults(function: Function) -> frozenset[str]:
    """Return the arguments whose default is one dictionary or list that all calls share."""
    arguments = [*function.args.posonlyargs, *function.args.args]
    pairs = zip(arguments[::-1], function.args.defaults[::-1], strict=False)
    return frozenset(one.arg for one, default in pairs if isinstance(default, ast.Dict | ast.List))


class Identities:
    """Names the objects that expressions of one module refer to."""

    def __init__(self, module: SourceModule) -> None:
        self._module = module

    def identify(self, expression: ast.expr, scopes: list[Scope], classes: list[str]) -> str | None:
        """Return the identity of a variable, attribute or container item; None for any other expression."""
        expression = unwrap_await(expression)
        if isinstance(expression, ast.Subscript):
            container = self.identify(expression.value, scopes, classes)
            return container and f"{container}[]"
        if isinstance(expression, ast.Attribute):
            owner = self._identify_instance(expression.value, scopes, classes)
            if owner is None:
                owner = self.identify(expression.value, scopes, classes)
            return owner and f"{owner}.{expression.attr}"
        if not isinstance(expression, ast.Name):
            return None
        for scope in reversed(scopes):
            if not isinstance(scope, ast.Lambda) and expression.id in list_globals(scope):
                break
            if expression.id in list_locals(scope):
                return f"{self._module.name}:{scope.lineno}.{expression.id}"
        else:
            if classes and not scopes:  # a class attribute, where the class is defined
                return f"{self._module.name}.{classes[-1]}.{expression.id}"
        return self._module.qualify(expression)

    def _identify_instance(self, value: ast.expr, scopes: list[Scope], classes: list[str]) -> str | None:
        """Return the class of `self` or `cls` within a method."""
        methods = [one for one in scopes if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
        if not classes or not methods or not isinstance(value, ast.Name):
            return None
        first = next(iter([*methods[0].args.posonlyargs, *methods[0].args.args]), None)
        is_self = first is not None and value.id == first.arg
        return f"{self._module.name}.{classes[-1]}" if is_self or value.id == "cls" else None


class Escapes:
    """The calls in one function whose results are kept after the function has returned."""

    def __init__(self, function: Function, module: SourceModule) -> None:
        self._function = function
        self._module = module
        self._nodes = list_nodes(function)
        self._assignments = list_all_assignments(function)

    def is_cached(self) -> bool:
        """Return whether the function's result is cached, as functools.cache does."""
        return any(
            self._module.qualify(one.func if isinstance(one, ast.Call) else one) in known_names.CACHES
            for one in self._function.decorator_list
        )

    def list_kept(self) -> Iterator[ast.Call]:
        """Yield the calls whose results stay in a cache, a global, or an object that outlives the function."""
        is_cached = self.is_cached()
        if not is_cached and self._compares_loops():
            return  # it creates the object anew for each event loop
        declared = list_globals(self._function)
        local = list_locals(self._function)
        outside = declared | {"cls"} | (self._module.top_level_names - local)
        outside |= list_shared_defaults(self._function)
        for node in self._nodes:
            if isinstance(node, ast.Return) and is_cached and isinstance(node.value, ast.Call):
                yield node.value
            elif isinstance(node, ast.Call):
                yield from self._list_stored(node, outside)
        for target, value in self._assignments:
            if isinstance(value, ast.Call) and (is_cached or self._is_kept_target(target, declared, outside)):
                yield value

    def _list_stored(self, node: ast.Call, outside: frozenset[str]) -> Iterator[ast.Call]:
        """Yield what is put into a container or a context variable that outlives the function."""
        if not isinstance(node.func, ast.Attribute) or _root_name(node.func) not in outside:
            return
        method = node.func.attr
        if method == "set" and isinstance(self._function, ast.AsyncFunctionDef):
            return  # a context variable: asyncio.run() works on a copy of the context and drops it
        if method in {"append", "add", "set", "setdefault", "insert", "put"}:
            if method == "setdefault" and node.args and self._is_loop_key(node.args[0]):
                return
            values = (unwrap_await(one) for one in node.args)
            yield from (one for one in values if isinstance(one, ast.Call))

    def _is_kept_target(self, target: ast.expr, declared: frozenset[str], outside: frozenset[str]) -> bool:
        """Return whether an assignment to the target outlives the function, and the next event loop meets it."""
        if isinstance(target, ast.Tuple):
            return any(self._is_kept_target(one, declared, outside) for one in target.elts)
        if isinstance(target, ast.Name):
            return target.id in declared
        if isinstance(target, ast.Subscript) and self._is_loop_key(target.slice):
            return False
        return _root_name(target) in outside

    def _is_loop_key(self, key: ast.expr) -> bool:
        """Return whether a container's key differs for each event loop, so that no later loop meets the item."""
        names = {one.id for one in walk(key) if isinstance(one, ast.Name)}
        return self._calls_loop_getter(key) or bool(names & self._loop_variables())

    def _compares_loops(self) -> bool:
        """Return whether a condition asks about the running event loop, as `if owner is not loop:` does."""
        tests = [node for node in self._nodes if isinstance(node, ast.Compare)]
        variables = self._loop_variables()
        return any(
            self._calls_loop_getter(test)
            or any(isinstance(one, ast.Name) and one.id in variables for one in walk(test))
            for test in tests
            if not any(isinstance(one, ast.Constant) and one.value is None for one in test.comparators)
        )

    def _loop_variables(self) -> set[str]:
        return {
            target.id
            for target, value in self._assignments
            if isinstance(target, ast.Name) and value is not None and self._calls_loop_getter(value)
        }

    def _calls_loop_getter(self, expression: ast.expr) -> bool:
        calls = (one for one in walk(expression) if isinstance(one, ast.Call))
        return any(self._module.qualify(one.func) in LOOP_GETTERS for one in calls)

    def list_held_by_instance(self) -> Iterator[ast.Call]:
        """Yield the calls whose results a method keeps on its instance."""
        first = next(iter(self._function.args.args), None)
        for target, value in self._assignments if first else ():
            parts = target.elts if isinstance(target, ast.Tuple) else [target]
            on_self = any(
                isinstance(one, ast.Attribute | ast.Subscript) and _root_name(one) == first.arg  # type: ignore[union-attr]
                for one in parts
            )
            if on_self and isinstance(value, ast.Call):
                yield value

    def list_held_by_closure(self) -> Iterator[ast.Call]:
        """Yield the calls whose results an inner function keeps in variables of the function around it."""
        shared = {name for node in self._nodes if isinstance(node, ast.Nonlocal) for name in node.names}
        for target, value in self._assignments if shared else ():
            if isinstance(target, ast.Name) and target.id in shared and isinstance(value, ast.Call):
                yield value

    def list_returned(self) -> Iterator[ast.Call]:
        """Yield the calls whose results the function returns."""
        returned = [
            unwrap_await(node.value) for node in self._nodes if isinstance(node, ast.Return) and node.value
        ]
        names = {one.id for one in returned if isinstance(one, ast.Name)}
        yield from (one for one in returned if isinstance(one, ast.Call))
        for target, value in self._assignments:
            if isinstance(target, ast.Name) and target.id in names and isinstance(value, ast.Call):
                yield value

    def keeps_own_instance(self) -> bool:
        """Return whether a method keeps the instance that it creates on its own class: a singleton."""
        return any(
            isinstance(target, ast.Attribute) and _root_name(target) == "cls" and _creates_instance(value)
            for target, value in self._assignments
        )


def _root_name(target: ast.expr) -> str | None:
    while isinstance(target, ast.Attribute | ast.Subscript):
        target = target.value
    return target.id if isinstance(target, ast.Name) else None


def _creates_instance(value: ast.expr | None) -> bool:
    if not isinstance(value, ast.Call):
        return False
    function = value.func
    return (isinstance(function, ast.Name) and function.id == "cls") or (
        isinstance(function, ast.Attribute) and function.attr == "__new__"
    )


@lru_cache(maxsize=FUNCTIONS)
def list_all_assignments(tree: ast.AST) -> tuple[tuple[ast.expr, ast.expr | None], ...]:
    """Return the assignments below a node, as `list_assignments` does for one."""
    nodes = (node for node in list_nodes(tree) if isinstance(node, ASSIGNMENTS))
    return tuple(pair for node in nodes for pair in list_assignments(node))


def list_assignments(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr | None]]:
    """Yield target and value of an assignment; the value without `await`, and without `x or` before it.

    What opens an object stands for the object: `client = await Client().connect()`.
    """
    if isinstance(node, ast.Assign):
        yield from ((target, _unwrap_opened(unwrap_await(node.value))) for target in node.targets)
    elif isinstance(node, ast.AnnAssign | ast.NamedExpr):
        yield node.target, _unwrap_opened(unwrap_await(node.value)) if node.value else None


def _unwrap_opened(value: ast.expr) -> ast.expr:
    match value:
        case ast.Call(func=ast.Attribute(value=ast.Call() as made, attr="connect" | "start")):
            return made
    return value


def unwrap_await(value: ast.expr) -> ast.expr:
    """Return an expression without `await`, and without what lazy creation puts before it: `x = x or await f()`."""
    if isinstance(value, ast.BoolOp):
        value = value.values[-1]
    return value.value if isinstance(value, ast.Await) else value
