"""What a module does with event loops, clients and engines, read from its syntax tree."""

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from ticketctl.warmstart.static_analysis import escape_analysis, known_names
from ticketctl.warmstart.static_analysis.escape_analysis import Function
from ticketctl.warmstart.static_analysis.project import Module

Scope: TypeAlias = Function | ast.Lambda


@dataclass(frozen=True, slots=True)
class Use:
    """A call and where it stands.

    `kept`: what it makes outlives the event loop of the moment; `owner`: the class whose instances keep it, or the
    function that returns it or keeps it in a closure, if that is what decides; `function`: the function that it is in, None at the top of the module; `target`: the
    last part of the name that the result is given.
    """

    module: Module
    name: str
    call: ast.Call
    function: Scope | None
    kept: bool
    owner: str | None = None
    target: str | None = None

    @property
    def place(self) -> tuple[str, int]:
        """File and line."""
        return self.module.file, self.call.lineno


@dataclass(slots=True)
class Facts:
    """What was found in one module.

    `instances`: what is called once for the process, and kept: classes, and functions that make something.
    `closed`: the last parts of the names of what is closed however all ends.
    `programs`: functions that are called only where the file is a program.
    """

    module: Module
    runs: list[Use] = field(default_factory=list)
    clients: list[Use] = field(default_factory=list)
    engines: list[Use] = field(default_factory=list)
    primitives: list[Use] = field(default_factory=list)
    mangums: list[Use] = field(default_factory=list)
    disposals: list["Disposal"] = field(default_factory=list)
    statement_names: list[int] = field(default_factory=list)
    instances: set[str] = field(default_factory=set)
    closed: set[str] = field(default_factory=set)
    handlers: list[Function] = field(default_factory=list)
    programs: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Disposal:
    """An engine's dispose(). `certain`: it runs however its function ends; `closes`: it closes connections."""

    module: Module
    line: int
    certain: bool
    closes: bool


def of(module: Module) -> Facts:
    """Read one module."""
    facts = Facts(module)
    if module.tree is not None:
        facts.closed = set(escape_analysis.closed_at_the_end(module.tree))
        _Reader(facts).visit(module.tree)
        facts.disposals = list(_disposals(module))
        facts.handlers = list(_handlers(module.tree))
        facts.statement_names = sorted(_statement_names(module.tree))
    return facts


class _Reader(ast.NodeVisitor):
    """Walks a module, knowing what each call stands in."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._module = facts.module
        self._scopes: list[Scope] = []
        self._classes: list[str] = []
        self._kept: set[int] = set()
        self._owners: dict[int, str] = {}
        self._at_top = escape_analysis.names_at_top(self._module)
        self._targets = escape_analysis.names_of(self._module.tree) if self._module.tree else {}

    def visit_If(self, node: ast.If) -> None:
        """Pass over what runs only where the file is a program."""
        if not _is_main_guard(node.test):
            self.generic_visit(node)
            return
        inside, everywhere = _uses(node), _uses(self._module.tree or node)
        self._facts.programs |= {name for name, count in inside.items() if everywhere[name] == count}

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._classes.append(node.name)
        self.generic_visit(node)
        self._classes.pop()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._function(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self.visit(node.args)
        self._inside(node, [node.body])

    def _function(self, node: Function) -> None:
        for outside in (*node.decorator_list, node.args):
            self.visit(outside)
        for decorator in node.decorator_list:
            if self._module.dotted(decorator) in known_names.CONVERTERS:
                call = ast.copy_location(ast.Call(decorator, [], []), decorator)
                self._facts.runs.append(self._use(self._module.dotted(decorator), call, kept=False))
        self._kept |= set(map(id, escape_analysis.kept_by(node, self._module, self._at_top)))
        self._owners |= {id(call): owner for call, owner in self._owned(node)}
        self._inside(node, node.body)

    def _owned(self, node: Function) -> Iterator[tuple[ast.Call, str]]:
        """Yield the calls whose results live as long as something else, with its name."""
        if self._classes:
            name = f"{self._module.name}.{self._classes[-1]}"
            if escape_analysis.makes_singleton(node):
                self._facts.instances.add(name)
            yield from ((call, name) for call in escape_analysis.held_by_instance(node))
        else:
            outermost = self._scopes[0] if self._scopes else node
            name = f"{self._module.name}.{getattr(outermost, 'name', '')}"
            calls = (
                escape_analysis.held_by_closure(node) if self._scopes else escape_analysis.handed_out(node)
            )
            yield from ((call, name) for call in calls)

    def _inside(self, scope: Scope, body: list[ast.stmt] | list[ast.expr]) -> None:
        self._scopes.append(scope)
        for node in body:
            self.visit(node)
        self._scopes.pop()

    def visit_Call(self, node: ast.Call) -> None:
        name = self._module.dotted(node.func)
        last = name.rpartition(".")[2]
        kept = not self._scopes or id(node) in self._kept
        use = self._use(name, node, kept=kept)
        if name in known_names.CONVERTERS or (name in known_names.RUNS and not self._persists(name)):
            self._facts.runs.append(use)
        elif last in known_names.ENGINES:
            self._facts.engines.append(use)
        elif name in known_names.PRIMITIVES:
            self._facts.primitives.append(use)
        elif name == known_names.MANGUM:
            self._facts.mangums.append(use)
        elif known_names.is_client(name):
            self._facts.clients.append(use)
        if kept:
            self._facts.instances.add(name)
        self._facts.runs += [self._use(run, node, kept=False) for run in self._handed_over(node)]
        self.generic_visit(node)

    def _handed_over(self, node: ast.Call) -> Iterator[str]:
        """Yield what runs a loop and is handed over to be called: pool.submit(asyncio.run, main())."""
        names = (self._module.dotted(one) for one in node.args)
        yield from (name for name in names if name in known_names.RUNS)

    def _persists(self, name: str) -> bool:
        """Whether the loop that is made here, at the top of a module, lives as long as the process."""
        return not self._scopes and not name.endswith(".run")

    def _use(self, name: str, call: ast.Call, *, kept: bool) -> Use:
        scope = self._scopes[-1] if self._scopes else None
        owner = self._owners.get(id(call))
        if self._classes and isinstance(scope, ast.FunctionDef) and scope.name == "__init__":
            owner = f"{self._module.name}.{self._classes[-1]}"
        return Use(self._module, name, call, scope, kept, owner, self._targets.get(id(call)))


def _uses(node: ast.AST) -> Counter[str]:
    return Counter(one.id for one in ast.walk(node) if isinstance(one, ast.Name))


def _is_main_guard(test: ast.expr) -> bool:
    return isinstance(test, ast.Compare) and isinstance(test.left, ast.Name) and test.left.id == "__name__"


def _handlers(tree: ast.Module) -> Iterator[Function]:
    """Yield the functions of an event and a context."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first, second, *_ = [one.arg.strip("_") for one in (*node.args.posonlyargs, *node.args.args)] + [
                "",
                "",
            ]
            if second and (first == "event" or second in {"context", "ctx"}):
                yield node


def _disposals(module: Module) -> Iterator[Disposal]:
    """Yield every awaited dispose() of a function that does something else before it."""
    for function in ast.walk(module.tree or ast.Module([], [])):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        certain = set(map(id, _certain(function)))
        waits = [
            node.lineno
            for node in ast.walk(function)
            if isinstance(node, ast.AsyncWith | ast.Await | ast.Yield)
        ]
        for node in ast.walk(function):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "dispose"
            ):
                first = all(line >= node.lineno for line in waits)
                yield Disposal(module, node.lineno, id(node) in certain or first, _closes(node))
        yield from _callbacks(module, function)


def _certain(function: Function) -> Iterator[ast.AST]:
    """Yield what runs however the function ends."""
    for node in ast.walk(function):
        if isinstance(node, ast.Try):
            for statement in node.finalbody:
                yield from ast.walk(statement)


def _callbacks(module: Module, function: Function) -> Iterator[Disposal]:
    """Yield where dispose is handed over to be called at the end: stack.push_async_callback(engine.dispose)."""
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and any(
            isinstance(one, ast.Attribute) and one.attr == "dispose" for one in node.args
        ):
            yield Disposal(module, node.lineno, certain=True, closes=True)


def _closes(dispose: ast.Call) -> bool:
    return not any(
        keyword.arg == "close" and isinstance(keyword.value, ast.Constant) and keyword.value.value is False
        for keyword in dispose.keywords
    )


def _statement_names(tree: ast.Module) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == known_names.STATEMENT_NAMES:
            yield node.value.lineno
        elif isinstance(node, ast.Dict):
            yield from (
                key.lineno
                for key in node.keys
                if isinstance(key, ast.Constant) and key.value == known_names.STATEMENT_NAMES
            )
