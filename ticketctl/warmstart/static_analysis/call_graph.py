"""Which functions can be called from which, as far as names show.

A name that an import or the module itself defines stands for one function. An attribute of an object whose class is
unknown stands for all methods with that name, of the classes that the code mentions.
"""

from collections.abc import Callable, Sequence

from ticketctl.warmstart.static_analysis.facts import Facts, Function, Scope

SPECIAL_METHODS = frozenset(
    f".{name}"
    for name in (
        "__init__",
        "__new__",
        "__aenter__",
        "__aexit__",
        "__enter__",
        "__exit__",
        "__call__",
        "__await__",
    )
)
"""Methods that are called without their names."""


class CallGraph:
    """The call graph of some modules; `with_threads`: functions that are passed to other threads count as called."""

    def __init__(
        self, modules: Sequence[Facts], follow_import: Callable[[str], str], *, with_threads: bool
    ) -> None:
        self._modules = modules
        self._follow_import = follow_import
        self._nested: dict[Scope, list[Function]] = {}
        self._definitions: dict[str, list[Function]] = {}
        self._methods: dict[str, list[tuple[str, Function]]] = {}
        self._owned: dict[str, list[tuple[str, Function]]] = {}
        self._variables: dict[str, set[str]] = {}
        self._references: dict[Scope | None, set[str]] = {}
        for facts in modules:
            self._nested |= facts.nested
            self._definitions |= facts.definitions
            self._variables |= facts.variables
            for name, methods in facts.methods.items():
                self._methods.setdefault(name, []).extend(methods)
                for owner, function in methods:
                    self._owned.setdefault(owner, []).append((name, function))
            for one in (facts.references, *([facts.thread_references] if with_threads else [])):
                for scope, names in one.items():
                    self._references[scope] = self._references.get(scope, set()) | names

    def list_import_names(self) -> set[str]:
        """Return what the modules mention when they are imported."""
        return set(self._references.get(None, set()))

    def find_reachable(self, functions: list[Scope], names: set[str]) -> set[Scope]:
        """Return the functions that can be called from some functions, or by some names."""
        reached: set[Scope] = set()
        mentioned: set[str] = set()
        waiting = list(functions)
        new = set(names)
        while waiting or new:
            new |= {self._follow_import(name) for name in new if not name.startswith(".")}
            mentioned |= new
            waiting += self._list_functions(new, mentioned)
            new = {one for name in new for one in self._variables.get(name, ())}
            while waiting:
                scope = waiting.pop()
                if scope not in reached:
                    reached.add(scope)
                    waiting += self._nested.get(scope, ())
                    new |= self._references.get(scope, set())
            new -= mentioned
        return reached

    def _list_functions(self, new: set[str], mentioned: set[str]) -> list[Function]:
        """Return the functions that new names stand for, and the methods that they make possible."""
        found = [one for name in new for one in self._definitions.get(name, ())]
        for name in new:
            found += [function for owner, function in self._methods.get(name, ()) if owner in mentioned]
            found += [
                function
                for attribute, function in self._owned.get(name, ())
                if attribute in mentioned or attribute in SPECIAL_METHODS
            ]
        return found
