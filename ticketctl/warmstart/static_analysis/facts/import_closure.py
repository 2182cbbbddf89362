"""The modules that one handler's import loads, and what in them runs, is kept and is closed."""

import ast
from collections.abc import Iterable, Sequence
from functools import cached_property

from ticketctl.warmstart.static_analysis.facts.asgi_application import (
    find_lifespans,
    find_never_served,
    is_route,
    list_entries,
    uses_application,
)
from ticketctl.warmstart.static_analysis.facts.assignment_guards import has_once_guard
from ticketctl.warmstart.static_analysis.facts.call_graph import CallGraph
from ticketctl.warmstart.static_analysis.facts.handler_discovery import Root
from ticketctl.warmstart.static_analysis.facts.loop_lifetimes import LoopLifetime, classify_loop
from ticketctl.warmstart.static_analysis.facts.module_facts import CallSite, Closing, Facts, Function, Scope
from ticketctl.warmstart.static_analysis.facts.running_loops import RunningLoops
from ticketctl.warmstart.static_analysis.libraries import known_names
from ticketctl.warmstart.static_analysis.libraries.versions import Versions

MAX_ALIASES = 6
"""Variables that are followed from one assignment to the next."""


class ImportClosure:
    """The facts of all modules that one handler's import loads, and the versions that it runs with."""

    def __init__(self, root: Root, modules: Sequence[Facts], version: Versions) -> None:
        self.root = root
        self.modules = modules
        self.version = version

    def select(self, kind: str) -> list[CallSite]:
        """Return the call sites of one kind (a field of Facts); a class of the project is no client by its name."""
        sites = (site for facts in self.modules for site in getattr(facts, kind))
        return [
            one for one in sites if kind != "clients" or not self.graph.is_own(self.follow_import(one.name))
        ]

    def select_reachable(self, kind: str) -> list[CallSite]:
        """Return the call sites of one kind that run with the handler or with its import."""
        return [site for site in self.select(kind) if self.is_reachable(site.function)]

    def is_reachable(self, function: Scope | None, *, in_same_thread: bool = False) -> bool:
        """Return whether the handler, or the import, may call a function, as far as names show."""
        if function is None or isinstance(function, ast.Lambda):
            return True
        graph = self._same_thread if in_same_thread else self._all_threads
        return function in graph

    @cached_property
    def _all_threads(self) -> set[Scope]:
        return self._find_reachable(in_same_thread=False)

    @cached_property
    def _same_thread(self) -> set[Scope]:
        return self._find_reachable(in_same_thread=True)

    @cached_property
    def handled(self) -> set[Scope]:
        """The functions that an invocation may call; those that only the import calls are not among them."""
        own = next(one for one in self.modules if one.module.path == self.root.path)
        names = {f"{own.module.name}.{self.root.function}"} if self.root.function else set()
        known = frozenset(self.graph.list_import_names())
        decorated = {one for facts in self.modules for one in facts.decorated}
        routes = {one for one in decorated if is_route(one)}
        served = self.lifespans if self.select("mangums") else set()
        reached = self.graph.find_reachable([*(decorated - routes), *own.handlers, *served], names, known)
        if routes and (
            self.select("mangums") or not reached or uses_application(self.modules, self.graph, reached)
        ):
            names |= {name for facts in self.modules for name in facts.dependencies}
            return self.graph.find_reachable([*decorated, *own.handlers, *served], names, known)
        return reached

    def _find_reachable(self, *, in_same_thread: bool) -> set[Scope]:
        own = next(one for one in self.modules if one.module.path == self.root.path)
        scripts = {f"{facts.module.name}.{name}" for facts in self.modules for name in facts.scripts}
        graph = self._make_graph(with_threads=False) if in_same_thread else self.graph
        names = graph.list_import_names() - scripts
        functions: list[Scope] = [one for facts in self.modules for one in facts.decorated]
        if self.root.function:
            names.add(f"{own.module.name}.{self.root.function}")
        elif own.handlers or own.mangums:
            functions += own.handlers
        else:  # what the module is for is unknown: any of its functions may be called
            functions += [
                one for name, group in own.definitions.items() for one in group if name not in scripts
            ]
        return graph.find_reachable(functions, names)

    def list_mentioned(self) -> set[str]:
        """Return the qualified names that reachable functions mention."""
        return {
            name
            for facts in self.modules
            for scope, names in facts.references.items()
            if scope is None or self.is_reachable(scope)
            for name in names
        }

    def follow_import(self, name: str) -> str:
        """Return the name under which something is defined that a package imports to publish it."""
        for _ in range(MAX_ALIASES):
            module, _, last = name.rpartition(".")
            facts = self._by_name.get(module)
            following = facts.module.imported_names.get(last) if facts else None
            if following is None or following == name:
                return name
            name = following
        return name

    @cached_property
    def _by_name(self) -> dict[str, Facts]:
        return {facts.module.name: facts for facts in self.modules}

    @cached_property
    def loop_lifetimes(self) -> list[tuple[CallSite, LoopLifetime]]:
        """The reachable calls that create an event loop, each with how long the loop lives."""
        return [
            (site, self.classify_loop(site))
            for site in self.select_reachable("loops")
            if site.function is not None or site.name in known_names.CONVERTERS
        ]

    def classify_loop(self, site: CallSite) -> LoopLifetime:
        """Return how long the event loop lives that a call creates."""
        return classify_loop(site, is_kept=self._is_kept(site), has_current=not self.root.is_python_314)

    @cached_property
    def ended_loops(self) -> list[CallSite]:
        """The calls that use a new event loop each time the handler is invoked."""
        ended = (LoopLifetime.CLOSED, LoopLifetime.UNCLOSED)
        return [site for site, lifetime in self.loop_lifetimes if lifetime in ended] + self.select_reachable(
            "loop_closings"
        )

    @cached_property
    def kept_factories(self) -> set[str]:
        """The classes and functions whose results are created once and kept, directly or by another object."""
        kept = {name for facts in self.modules for name in facts.kept_factories}
        owned = [site for facts in self.modules for site in facts.owned]
        kept |= {self.follow_import(name) for name in kept}
        while (
            more := {
                name
                for site in owned
                if site.owner in kept
                for name in (site.name, self.follow_import(site.name))
            }
            - kept
        ):
            kept |= more
        return kept

    def _is_kept(self, site: CallSite) -> bool:
        return (
            site.kept
            or (site.owner is not None and site.owner in self.kept_factories)
            or self.find_keeper(site) is not None
        )

    def find_keeper(self, site: CallSite) -> str | None:
        """Return the identity in which a function keeps the result that it is passed: `set_client(AsyncClient())`.

        The function around the call makes it only once: a condition in it tests a variable that it sets.
        """
        if site.function is None or not (has_once_guard(site.function) or site.function not in self.handled):
            return None
        for facts in self.modules:
            for one in facts.handovers if facts.module is site.module else ():
                if one.value is site.call or (site.target is not None and one.value == site.target):
                    name = self.follow_import(one.callee)
                    identity = self._keepers.get(name, {}).get(one.position)
                    is_class = identity is not None and identity.startswith(f"{name}.")
                    if identity is not None and (not is_class or name in self.kept_factories):
                        return identity
        return None

    @cached_property
    def _keepers(self) -> dict[str, dict[int | str, str]]:
        return {name: kept for facts in self.modules for name, kept in facts.keepers.items()}

    @cached_property
    def functions(self) -> dict[Function, Facts]:
        """The functions of the modules, each with its module."""
        every = (
            (one, facts) for facts in self.modules for group in facts.definitions.values() for one in group
        )
        return dict(every)

    @cached_property
    def graph(self) -> CallGraph:
        """The call graph of the modules, threads included."""
        return self._make_graph(with_threads=True)

    def _make_graph(self, *, with_threads: bool) -> CallGraph:
        excluded = find_never_served(self.modules, self.lifespans, self.select("mangums"))
        return CallGraph(self.modules, self.follow_import, with_threads=with_threads, excluded=excluded)

    @cached_property
    def lifespans(self) -> set[Scope]:
        """The functions that an ASGI application runs when it starts and ends."""
        return find_lifespans(self.modules, self.follow_import)

    @cached_property
    def on_stopped_loops(self) -> set[Scope]:
        """The functions that may run on an event loop that is kept, and that stops when the invocation has its result."""
        roots = list_entries(self.modules) + list(self.lifespans) if self.select("mangums") else []
        served = self.graph.find_reachable(roots, set(), frozenset(self.graph.list_import_names()))
        kept = [site for site, lifetime in self.loop_lifetimes if lifetime is LoopLifetime.PERSISTENT]
        kept += [site for site in self.select("loops") if site.function is None]
        return served | self._running_loops.find_named([*kept, *self.select_reachable("loop_lookups")])

    @cached_property
    def on_ended_loops(self) -> set[Scope]:
        """The functions that may run on an event loop that ends with the invocation."""
        return self._running_loops.find_functions(self.ended_loops) if self.ended_loops else set()

    @cached_property
    def loop_starters(self) -> set[Scope]:
        """The functions that create such loops, and those that make the coroutines for them."""
        return self._running_loops.list_starters(self.ended_loops)

    @cached_property
    def _running_loops(self) -> RunningLoops:
        has_mangum = bool(self.select("mangums"))
        return RunningLoops(self.modules, self.graph, self._all_threads, has_mangum=has_mangum)

    def select_kept(self, kind: str) -> list[CallSite]:
        """Return the call sites of one kind whose results outlive an invocation."""
        return [site for site in self.select(kind) if self._is_kept(site)]

    def resolve(self, identity: str | None) -> str | None:
        """Return the identity of the object behind a variable that was assigned from another one or a function."""
        for _ in range(MAX_ALIASES):
            if identity is None:
                return None
            identity = self._canonical(identity)
            following = (
                self._returns.get(identity.removeprefix("call:"))
                if identity.startswith("call:")
                else self._aliases.get(identity)
            )
            if following is None or following == identity:
                return identity
            if following.startswith("call:") and following.removeprefix("call:") not in self._returns:
                return identity
            identity = following
        return identity

    def find_maker(self, identity: str | None) -> str | None:
        """Return the class or function whose call made the object behind a variable; None if it is unknown."""
        made = self._aliases.get(self.resolve(identity) or "", "")
        return self.follow_import(made.removeprefix("call:")) if made.startswith("call:") else None

    def _canonical(self, identity: str) -> str:
        prefix = "call:" if identity.startswith("call:") else ""
        return prefix + self.follow_import(identity.removeprefix("call:"))

    @cached_property
    def _aliases(self) -> dict[str, str]:
        return {name: value for facts in self.modules for name, value in facts.aliases.items()}

    @cached_property
    def _returns(self) -> dict[str, str]:
        return {name: value for facts in self.modules for name, value in facts.returns.items()}

    def may_be_closed(self, site: CallSite, *, leaves: bool) -> bool:
        """Return whether any reachable code may close the object that a call creates.

        leaves: the object leaves the function that creates it, so that other functions may close it under any name.
        """
        identity = self.resolve(site.target)
        for one in (one for facts in self.modules for one in facts.closings):
            closed = self.resolve(one.identity)
            if identity is not None and closed == identity:
                return True
            # `with open(file):` closes what the call created ("call:open"), `kept.get().close()` may close anything
            is_new = closed is not None and closed.startswith("call:") and ".get" not in closed
            is_unknown = closed is None or (":" in closed and not is_new)
            if leaves and is_unknown and self.is_reachable(one.function):
                return True
        return False

    def select_disposals(self, engines: Iterable[CallSite]) -> list[Closing]:
        """Return the disposals of these engines, and those of which the engine is unknown."""
        identities = {self.resolve(one.target) for one in engines}
        every = [one for facts in self.modules for one in facts.disposals]
        return [
            one
            for one in every
            if (identity := self.resolve(one.identity)) in identities
            or identity is None
            or ":" in identity  # a local variable or an argument: it may be any of them
            or identity.startswith("call:")
        ]
