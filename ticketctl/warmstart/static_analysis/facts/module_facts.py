"""What one module does with event loops, clients and engines, read from its syntax tree."""

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from ticketctl.warmstart.static_analysis.libraries import known_names
from ticketctl.warmstart.static_analysis.repository.source import SourceModule
from ticketctl.warmstart.static_analysis.repository.syntax import walk

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
Scope: TypeAlias = Function | ast.Lambda
HANDLER_NAMES = frozenset({"handler", "lambda_handler"})


@dataclass(frozen=True, slots=True)
class CallSite:
    """A call of interest and where it is.

    name: the qualified name of the function that is called.
    function: the innermost function around the call; None at the module's top level.
    kept: the result outlives the function: it is at the top level, in a global, in a cache.
    owner: the class whose instances keep the result, or the function that returns it or keeps it in a closure.
    target: the identity of the variable or attribute that the result is assigned to.
    guarded: the function creates it only on first use, as `if client is None:` does.
    """

    module: SourceModule
    name: str
    call: ast.Call
    function: Scope | None
    kept: bool = False
    owner: str | None = None
    target: str | None = None
    guarded: bool = False

    @property
    def place(self) -> tuple[str, int]:
        """The file and the line."""
        return self.module.file, self.call.lineno


@dataclass(frozen=True, slots=True)
class Closing:
    """A call that closes an object. `certain`: it runs however its function ends; `identity`: of the object."""

    module: SourceModule
    line: int
    identity: str | None
    function: Scope | None
    certain: bool
    closes: bool = True


@dataclass(frozen=True, slots=True)
class Handover:
    """An argument of a call: `value` is the call that makes it, or the identity of the variable that holds it."""

    callee: str
    position: int | str
    value: ast.Call | str


@dataclass(slots=True)
class Facts:
    """The facts about one module.

    loops: calls that create an event loop, or run a coroutine on a new one.
    kept_factories: classes and functions whose result is created once and kept.
    closings: where objects are closed, engines aside.
    disposals: where engines are disposed of.
    resets: identities that are set to None again.
    returns: the identity of the object that a function returns, by the function's qualified name.
    aliases: the identity, or "call:function", that a variable was assigned from.
    references: what each function mentions, and under None what runs with the import: the qualified names of
        functions and variables, and ".name" for attributes of objects whose class is unknown.
    variables: what the values of top-level variables mention, by the variable's qualified name.
    thread_references: the functions that each function passes to another thread.
    callbacks: what is passed to a call by its name, so that a library may call it.
    keepers: the identities in which a function or a class keeps its arguments: by its qualified name, then by the
        argument's position and name.
    handovers: the calls that are passed a variable or the result of another call.
    nested: the functions that each function defines; they run as part of it.
    receivers: the names of the objects whose attribute ".name" is mentioned; "" for another expression.
    derived: the classes that have base classes.
    definitions: functions by their qualified name.
    methods: class and function of each method, by ".name".
    scripts: functions that are called only if the file is run as a script.
    lifespans: functions that an ASGI application runs when it starts and when it ends.
    dependencies: functions that FastAPI calls for each request of a route that depends on them.
    """

    module: SourceModule
    loops: list[CallSite] = field(default_factory=list)
    clients: list[CallSite] = field(default_factory=list)
    engines: list[CallSite] = field(default_factory=list)
    primitives: list[CallSite] = field(default_factory=list)
    mangums: list[CallSite] = field(default_factory=list)
    shared_clients: list[CallSite] = field(default_factory=list)
    agents: list[CallSite] = field(default_factory=list)
    tasks: list[CallSite] = field(default_factory=list)
    threads: list[CallSite] = field(default_factory=list)
    loop_closings: list[CallSite] = field(default_factory=list)
    loop_lookups: list[CallSite] = field(default_factory=list)
    owned: list[CallSite] = field(default_factory=list)
    closings: list[Closing] = field(default_factory=list)
    disposals: list[Closing] = field(default_factory=list)
    statement_names: list[int] = field(default_factory=list)
    kept_factories: set[str] = field(default_factory=set)
    resets: set[str] = field(default_factory=set)
    returns: dict[str, str] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    references: dict[Scope | None, set[str]] = field(default_factory=dict)
    variables: dict[str, set[str]] = field(default_factory=dict)
    thread_references: dict[Scope | None, set[str]] = field(default_factory=dict)
    callbacks: set[str] = field(default_factory=set)
    keepers: dict[str, dict[int | str, str]] = field(default_factory=dict)
    handovers: list[Handover] = field(default_factory=list)
    nested: dict[Scope, list[Function]] = field(default_factory=dict)
    receivers: dict[str, set[str]] = field(default_factory=dict)
    derived: set[str] = field(default_factory=set)
    methods: dict[str, list[tuple[str, Function]]] = field(default_factory=dict)
    definitions: dict[str, list[Function]] = field(default_factory=dict)
    decorated: list[Function] = field(default_factory=list)
    handlers: list[Function] = field(default_factory=list)
    scripts: set[str] = field(default_factory=set)
    lifespans: set[str] = field(default_factory=set)
    dependencies: set[str] = field(default_factory=set)


def is_main_guard(test: ast.expr) -> bool:
    """Return whether a condition is `__name__ == "__main__"`."""
    return isinstance(test, ast.Compare) and isinstance(test.left, ast.Name) and test.left.id == "__name__"


def count_names(node: ast.AST) -> Counter[str]:
    """Return how often each name is mentioned below a node."""
    return Counter(one.id for one in walk(node) if isinstance(one, ast.Name))


def list_handlers(tree: ast.Module) -> list[Function]:
    """Return the top-level functions that look like a Lambda handler: of an event and a context."""
    return [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _looks_like_handler(node)
    ]


def _looks_like_handler(node: Function) -> bool:
    names = [one.arg.strip("_") for one in (*node.args.posonlyargs, *node.args.args)]
    if node.name in HANDLER_NAMES and node.args.vararg is not None and not names:  # handler(*args)
        return True
    if node.name == "handler" and names == ["request"]:  # Vercel's functions, which run on Lambda
        return True
    if len(names) < 2:  # noqa: PLR2004 an event and a context
        return False
    # frameworks for bots call their handlers with (update, context)
    is_pair = names[0] not in {"self", "cls", "update"} and names[1] in {"context", "ctx"}
    return names[0] == "event" or is_pair or (node.name in HANDLER_NAMES and len(names) == 2)  # noqa: PLR2004


def list_statement_names(module: SourceModule) -> Iterator[int]:
    """Yield the lines that name the function for names of prepared statements."""
    for node in module.nodes:
        if isinstance(node, ast.keyword) and node.arg == known_names.STATEMENT_NAMES:
            yield node.value.lineno
        elif isinstance(node, ast.Dict):
            yield from (
                key.lineno
                for key in node.keys
                if isinstance(key, ast.Constant) and key.value == known_names.STATEMENT_NAMES
            )
