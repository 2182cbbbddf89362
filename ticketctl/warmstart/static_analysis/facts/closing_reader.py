"""Reads where a module closes objects: in a finally block, at the end of a context, or anywhere else."""

import ast
from collections.abc import Iterator

from ticketctl.warmstart.static_analysis.facts.escape_analysis import Identities, list_assignments, list_nodes
from ticketctl.warmstart.static_analysis.facts.module_facts import CallSite, Closing, Facts, Function, Scope
from ticketctl.warmstart.static_analysis.libraries import known_names
from ticketctl.warmstart.static_analysis.repository.syntax import list_children, walk

LIFESPAN_WORDS = ("lifespan", "shutdown")


def read_closings(facts: Facts) -> None:
    """Add to the facts where objects, engines and event loops are closed."""
    for function, scopes, classes in _list_functions(facts.module.tree, [], []):
        reader = _ClosingReader(facts, function, scopes, classes)
        for node in list_nodes(function):
            reader.read(node)


def _list_functions(
    tree: ast.AST, scopes: list[Scope], classes: list[str]
) -> Iterator[tuple[Function, list[Scope], list[str]]]:
    for node in list_children(tree):
        if isinstance(node, ast.ClassDef):
            yield from _list_functions(node, scopes, [*classes, node.name])
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node, [*scopes, node], classes
        elif not isinstance(node, ast.expr):
            yield from _list_functions(node, scopes, classes)


class _ClosingReader:
    """Reads the closings in one function."""

    def __init__(self, facts: Facts, function: Function, scopes: list[Scope], classes: list[str]) -> None:
        self._facts = facts
        self._function = function
        self._scopes = scopes
        self._classes = classes
        self._identities = Identities(facts.module)
        self._certain = set(map(id, list_certain(function)))
        self._waits = [
            node.lineno
            for node in list_nodes(function)
            if isinstance(node, ast.AsyncWith | ast.Await | ast.Yield)
        ]

    def read(self, node: ast.AST) -> None:
        """Note what one node of the function closes."""
        if isinstance(node, ast.AsyncWith | ast.With):
            for item in node.items:
                if isinstance(item.context_expr, ast.Name | ast.Attribute | ast.Subscript):
                    self._note(item.context_expr, item.context_expr.lineno, certain=True)
                elif isinstance(item.context_expr, ast.Await | ast.Call):
                    self._note_call(item.context_expr)
        elif isinstance(node, ast.Call):
            self._read_call(node)

    def _read_call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Attribute):
            method, receiver = node.func.attr, node.func.value
            certain = id(node) in self._certain
            if method == "dispose":
                first = all(line >= node.lineno for line in self._waits)
                self._note_disposal(receiver, node.lineno, certain=certain or first, closes=_closes(node))
            elif method in known_names.CLOSERS:
                self._note(receiver, node.lineno, certain=certain)
                self._note_loop_closing(receiver, node)
        for value in node.args:  # stack.push_async_callback(engine.dispose)
            if isinstance(value, ast.Attribute) and value.attr == "dispose":
                self._note_disposal(value.value, node.lineno, certain=True, closes=True)
            elif isinstance(value, ast.Attribute) and value.attr in known_names.CLOSERS:
                self._note(value.value, node.lineno, certain=True)

    def _identify(self, expression: ast.expr) -> str | None:
        return self._identities.identify(expression, self._scopes, self._classes)

    def _note(self, receiver: ast.expr, line: int, *, certain: bool) -> None:
        identity = self._identify(receiver)
        if identity is None and isinstance(receiver, ast.Call):
            identity = f"call:{self._facts.module.qualify(receiver.func)}"
        self._facts.closings.append(Closing(self._facts.module, line, identity, self._function, certain))

    def _note_call(self, expression: ast.Await | ast.Call) -> None:
        """Note `async with get_client():`, which closes the object that the function returns."""
        call = expression.value if isinstance(expression, ast.Await) else expression
        if isinstance(call, ast.Call) and (name := self._facts.module.qualify(call.func)):
            self._facts.closings.append(
                Closing(self._facts.module, call.lineno, f"call:{name}", self._function, certain=True)
            )

    def _note_disposal(self, receiver: ast.expr, line: int, *, certain: bool, closes: bool) -> None:
        self._facts.disposals.append(
            Closing(
                self._facts.module, line, self._identify(receiver), self._function, certain, closes=closes
            )
        )

    def _note_loop_closing(self, receiver: ast.expr, node: ast.Call) -> None:
        """Note `loop.close()` on a loop that the function did not create: the thread's current event loop."""
        if not isinstance(receiver, ast.Name) or node.func.attr != "close":  # type: ignore[attr-defined]
            return
        sources = [
            self._facts.module.qualify(value.func)
            for one in list_nodes(self._function)
            for target, value in list_assignments(one)
            if isinstance(target, ast.Name) and target.id == receiver.id and isinstance(value, ast.Call)
        ]
        if sources and all(name in known_names.LOOP_LOOKUPS for name in sources):
            self._facts.loop_closings.append(
                CallSite(self._facts.module, f"{receiver.id}.close", node, self._function)
            )


def list_certain(function: Function) -> Iterator[ast.AST]:
    """Yield the nodes that run however the function ends."""
    for node in list_nodes(function):
        if isinstance(node, ast.Try):
            for statement in node.finalbody:
                yield from walk(statement)
    if function.name in {"__aexit__", "__exit__"}:
        yield from list_nodes(function)


def _closes(dispose: ast.Call) -> bool:
    return not any(
        keyword.arg == "close" and isinstance(keyword.value, ast.Constant) and keyword.value.value is False
        for keyword in dispose.keywords
    )
