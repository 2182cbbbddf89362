"""Reads the facts about one module in a single walk of its syntax tree."""

import ast
from collections.abc import Iterator

from ticketctl.warmstart.static_analysis.facts.assignment_guards import is_guarded
from ticketctl.warmstart.static_analysis.facts.call_graph import name_receiver, name_reference
from ticketctl.warmstart.static_analysis.facts.closing_reader import read_closings
from ticketctl.warmstart.static_analysis.facts.escape_analysis import (
    Escapes,
    Identities,
    list_assignments,
    unwrap_await,
)
from ticketctl.warmstart.static_analysis.facts.handover_reader import (
    list_dependencies,
    list_passed_runners,
    note_arguments,
    note_keeper,
)
from ticketctl.warmstart.static_analysis.facts.module_facts import (
    CallSite,
    Facts,
    Function,
    Scope,
    count_names,
    is_main_guard,
    list_handlers,
    list_statement_names,
)
from ticketctl.warmstart.static_analysis.libraries import constructors, known_names
from ticketctl.warmstart.static_analysis.repository.source import SourceModule
from ticketctl.warmstart.static_analysis.repository.syntax import last_name, list_children


def read_facts(module: SourceModule) -> Facts:
    """Return the facts about one module."""
    facts = Facts(module)
    facts.handlers = list_handlers(module.tree)
    _ModuleReader(facts).visit(module.tree)
    read_closings(facts)
    facts.statement_names = sorted(list_statement_names(module))
    facts.dependencies = set(list_dependencies(module))
    return facts


class _ModuleReader(ast.NodeVisitor):
    """Walks a module and keeps track of the classes and functions around each node."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._module = facts.module
        self._identities = Identities(facts.module)
        self._scopes: list[Scope] = []
        self._classes: list[str] = []
        self._kept: set[int] = set()
        self._owners: dict[int, str] = {}
        self._targets: dict[int, str] = {}
        self._managed: set[int] = set()
        self._references: set[str] = facts.references.setdefault(None, set())

    def generic_visit(self, node: ast.AST) -> None:
        """Visit the children of a node."""
        for child in list_children(node):
            self.visit(child)

    def visit_If(self, node: ast.If) -> None:
        """Skip what runs only if the file is run as a script."""
        if not is_main_guard(node.test):
            self.generic_visit(node)
            return
        inside, everywhere = count_names(node), count_names(self._module.tree)
        self._facts.scripts |= {name for name, count in inside.items() if everywhere[name] == count}

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """Read a class."""
        self._classes.append(node.name)
        if node.bases:
            self._facts.derived.add(".".join([self._module.name, *self._classes]))
        self.generic_visit(node)
        self._classes.pop()

    def visit_Lambda(self, node: ast.Lambda) -> None:
        """Read a lambda."""
        self.visit(node.args)
        self._read_body(node, [node.body])

    def visit_Name(self, node: ast.Name) -> None:
        """Note that the function around mentions a name."""
        if isinstance(node.ctx, ast.Load):
            self._references.add(self._module.qualify(node))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """Note that the function around mentions an attribute."""
        name = name_reference(self._module, node)
        self._references.add(name)
        self._facts.receivers.setdefault(f".{node.attr}", set()).add(name_receiver(node))
        if isinstance(node.value, ast.Name) and not name.startswith("."):
            self._references.add(f"{self._module.qualify(node.value)}.")
        else:
            self.generic_visit(node)

    def visit_FunctionDef(self, node: Function) -> None:
        """Read a function or a coroutine function."""
        defaults = [one for one in (*node.args.defaults, *node.args.kw_defaults) if one is not None]
        for outside in (*node.decorator_list, *defaults):  # annotations create nothing
            self.visit(outside)
        self._define(node)
        if self._scopes:
            self._facts.nested.setdefault(self._scopes[-1], []).append(node)
        calls = [one.func if isinstance(one, ast.Call) else one for one in node.decorator_list]
        decorators = list(map(self._module.qualify, calls))
        if not all(map(known_names.PLAIN_DECORATORS.fullmatch, decorators)):
            self._facts.decorated.append(node)
        for decorator, name in zip(node.decorator_list, decorators, strict=True):
            if name in known_names.CONVERTERS:
                call = ast.copy_location(ast.Call(decorator, [], []), decorator)
                self._facts.loops.append(CallSite(self._module, name, call, None))
        escapes = Escapes(node, self._module)
        self._kept |= set(map(id, escapes.list_kept()))
        self._owners |= {id(call): owner for call, owner in self._list_owned(node, escapes)}
        self._read_body(node, node.body)

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 the name that ast.NodeVisitor calls

    def _define(self, node: Function) -> None:
        definitions = self._facts.definitions
        path = ".".join([self._module.name, *self._classes, node.name])
        definitions.setdefault(path, []).append(node)
        if self._classes:
            owner = f"{self._module.name}.{'.'.join(self._classes)}"
            self._facts.methods.setdefault(f".{node.name}", []).append((owner, node))

    def _list_owned(self, node: Function, escapes: Escapes) -> Iterator[tuple[ast.Call, str]]:
        """Yield the calls whose results live as long as another object, with that object's factory."""
        if self._classes:
            name = f"{self._module.name}.{self._classes[-1]}"
            if escapes.keeps_own_instance():
                self._facts.kept_factories.add(name)
            yield from ((call, name) for call in escapes.list_held_by_instance())
        else:
            outermost = self._scopes[0] if self._scopes else node
            name = f"{self._module.name}.{getattr(outermost, 'name', '')}"
            calls = escapes.list_held_by_closure() if self._scopes else escapes.list_returned()
            yield from ((call, name) for call in calls)

    def _read_body(self, scope: Scope, body: list[ast.stmt] | list[ast.expr]) -> None:
        outer = self._references
        self._references = self._facts.references.setdefault(scope, set())
        self._scopes.append(scope)
        for node in body:
            self.visit(node)
        self._scopes.pop()
        # a function that is defined within another one runs as part of it
        if self._scopes:
            outer |= self._references
        self._references = outer

    def visit_Return(self, node: ast.Return) -> None:
        """Note the identity of the object that a function returns."""
        if node.value is not None and self._scopes:
            factory = f"{self._module.name}.{getattr(self._scopes[0], 'name', '')}"
            identity = self._identify(node.value)
            if identity is not None:
                self._facts.returns[factory] = identity
            elif isinstance(call := unwrap_await(node.value), ast.Call):
                self._note_assignment(self._facts.returns.setdefault(factory, f"return:{factory}"), call)
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        """Note what a variable is assigned from."""
        self._read_assignment(node, node.targets)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        """Note what a variable is assigned from."""
        self._read_assignment(node, [node.target])

    def _read_assignment(self, node: ast.Assign | ast.AnnAssign, targets: list[ast.expr]) -> None:
        self._note_assignments(node)
        outer = self._references
        is_top = not self._scopes and not self._classes
        if is_top and isinstance(targets[0], ast.Name) and not isinstance(node.value, ast.Call | ast.Await):
            # a table of functions runs none of them: they count where a function uses the table
            name = self._module.qualify(targets[0])
            self._references = self._facts.variables.setdefault(name, set())
        for part in (*targets, node.value):
            if part is not None:
                self.visit(part)
        self._references = outer

    def _identify(self, node: ast.expr) -> str | None:
        return self._identities.identify(node, self._scopes, self._classes)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        """Note what a variable is assigned from."""
        self._note_assignments(node)
        self.generic_visit(node)

    def _note_assignments(self, node: ast.AST) -> None:
        for target, value in list_assignments(node):
            for part in target.elts if isinstance(target, ast.Tuple) else [target]:
                identity = self._identify(part)
                if identity is not None and value is not None:
                    self._note_assignment(identity, value)

    def _note_assignment(self, identity: str, value: ast.expr) -> None:
        if isinstance(value, ast.Call):
            self._targets.setdefault(id(value), identity)
            if called := self._module.qualify(value.func):
                self._facts.aliases.setdefault(identity, f"call:{called}")
        elif isinstance(value, ast.Constant) and value.value is None:
            if self._scopes:
                self._facts.resets.add(identity)
        elif source := self._identify(value):
            self._facts.aliases.setdefault(identity, source)
            note_keeper(self._facts, self._scopes, self._classes, identity, value)

    def visit_With(self, node: ast.With | ast.AsyncWith) -> None:
        """Note the objects that a with statement closes at its end."""
        self._managed |= {id(unwrap_await(item.context_expr)) for item in node.items}
        self.generic_visit(node)

    visit_AsyncWith = visit_With  # noqa: N815 the name that ast.NodeVisitor calls

    def visit_Call(self, node: ast.Call) -> None:
        """Note a call that creates or closes something that is bound to an event loop."""
        name, facts = self._module.qualify(node.func), self._facts
        kinds: tuple[tuple[list[CallSite], bool], ...] = (
            (facts.loops, name in known_names.CONVERTERS or name in known_names.LOOP_MAKERS),
            (facts.engines, name.rpartition(".")[2] in known_names.ENGINES),
            (facts.primitives, name in known_names.PRIMITIVES),
            (facts.mangums, name == known_names.MANGUM),
            (facts.shared_clients, name in constructors.load_shared()),
            (facts.agents, name in known_names.AGENTS),
            (facts.clients, constructors.is_client(name) and not self._is_own(node.func)),
            (
                facts.tasks,
                name in known_names.TASK_STARTERS or self._is_loop_method(node, known_names.CREATE_TASK),
            ),
            (facts.threads, name == known_names.THREAD),
            (facts.loop_lookups, name in known_names.LOOP_LOOKUPS),
        )
        for sites, is_one in kinds:
            if is_one:
                sites.append(self._make_site(name, node))
                break
        if self._is_kept_here(node):
            facts.kept_factories.add(name)
        elif self._find_owner(node):
            facts.owned.append(self._make_site(name, node))
        facts.loops += [self._make_site(one, node) for one in list_passed_runners(self._module, node)]
        note_arguments(facts, name, node, self._scopes, self._classes)
        self._visit_parts(node)

    def _is_loop_method(self, node: ast.Call, method: str) -> bool:
        """Return whether a call is of a method of an event loop: `asyncio.get_running_loop().create_task(...)`."""
        if not isinstance(node.func, ast.Attribute) or node.func.attr != method:
            return False
        receiver = node.func.value
        source = self._facts.aliases.get(self._identify(receiver) or "", "").removeprefix("call:")
        called = self._module.qualify(receiver.func) if isinstance(receiver, ast.Call) else source
        return called in known_names.LOOP_LOOKUPS

    def _visit_parts(self, node: ast.Call) -> None:
        """Visit a call's parts; what it passes to another thread is noted apart."""
        self.visit(node.func)
        outer = self._references
        if last_name(node.func) in known_names.THREAD_STARTERS:
            scope = self._scopes[0] if self._scopes else None
            self._references = self._facts.thread_references.setdefault(scope, set())
        for part in (*node.args, *node.keywords):
            self.visit(part)
        self._references = outer

    def _is_own(self, function: ast.expr) -> bool:
        """Return whether the project itself defines the class: then its own body says what it keeps."""
        return isinstance(function, ast.Name) and function.id not in self._module.imported_names

    def _is_kept_here(self, call: ast.Call) -> bool:
        return (not self._scopes or id(call) in self._kept) and id(call) not in self._managed

    def _find_owner(self, call: ast.Call) -> str | None:
        scope = self._scopes[-1] if self._scopes else None
        if self._classes and isinstance(scope, ast.FunctionDef) and scope.name == "__init__":
            return f"{self._module.name}.{self._classes[-1]}"
        return self._owners.get(id(call))

    def _make_site(self, name: str, call: ast.Call) -> CallSite:
        scope = self._scopes[-1] if self._scopes else None
        target = self._targets.get(id(call))
        return CallSite(
            self._module,
            name,
            call,
            scope,
            kept=self._is_kept_here(call),
            owner=self._find_owner(call),
            target=target,
            guarded=scope is None or (target is not None and is_guarded(scope, target, self._identify)),
        )
