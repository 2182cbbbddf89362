"""The rule about handlers and routes that each invocation registers once more."""

import ast
from collections.abc import Iterator
from functools import cached_property, partial

from ticketctl.warmstart.static_analysis.facts.assignment_guards import is_guarded
from ticketctl.warmstart.static_analysis.facts.escape_analysis import (
    list_all_assignments,
    list_locals,
    list_nodes,
    unwrap_await,
)
from ticketctl.warmstart.static_analysis.facts.import_closure import ImportClosure
from ticketctl.warmstart.static_analysis.facts.module_facts import Facts, Function
from ticketctl.warmstart.static_analysis.finding import SourceFinding, make_finding
from ticketctl.warmstart.static_analysis.libraries import known_names
from ticketctl.warmstart.static_analysis.lifetimes.repeated_calls import (
    find_repeated_calls,
    is_registrar,
    list_passed,
    list_repeated,
)
from ticketctl.warmstart.static_analysis.repository.syntax import last_name

MAX_PLACES = 3
"""Other files that a finding names."""
MAX_CALLERS = 3
"""Functions that are followed from an argument to the object that is passed."""


def check_registrations(closure: ImportClosure) -> Iterator[SourceFinding]:
    """Yield the calls that add a handler or a route, in each invocation, to an object that outlives it."""
    found: dict[str, list[tuple[tuple[str, int], ast.Call]]] = {}
    objects = _KeptObjects(closure)
    for facts in closure.modules:
        for scope in facts.references:
            if scope is None or isinstance(scope, ast.Lambda) or scope not in closure.handled:
                continue
            for call, identity in objects.list_registrations(facts, scope):
                found.setdefault(identity, []).append(((facts.module.file, call.lineno), call))
    for calls in found.values():
        calls.sort(key=lambda pair: pair[0])
        (place, first), *others = calls
        elsewhere = sorted({file for (file, _), _ in others} - {place[0]})
        shown, hidden = elsewhere[:MAX_PLACES], len(elsewhere[MAX_PLACES:])
        shown += [f"{hidden} more file{'s' if hidden > 1 else ''}"] if hidden else []
        also = f", {' and '.join(shown)} included" if shown else ""
        is_route = last_name(first.func) in known_names.ROUTE_REGISTRARS  # a router brings several routes
        more = "more routes" if is_route else f"{len(calls)} more handler{'s' if others else ''}"
        yield make_finding(
            place,
            "registered-each-invocation",
            f"Each invocation calls {ast.unparse(first.func)}() on an object that lives as long as the process: the object "
            f"keeps {more} each time{also}.",
            breaks=False,
        )


class _KeptObjects:
    """The objects that outlive an invocation, as far as the functions that register something mention them."""

    def __init__(self, closure: ImportClosure) -> None:
        self._closure = closure
        self._calls = find_repeated_calls(closure)

    def list_registrations(self, facts: Facts, function: Function) -> Iterator[tuple[ast.Call, str]]:
        """Yield the calls in a function that register something with a kept object, and the object's identity."""
        nodes = list_nodes(function)
        every = [one for one in nodes if isinstance(one, ast.Call) and self._registers(facts, one)]
        if not every or any(getattr(one, "attr", "") in known_names.UNREGISTRARS for one in nodes):
            return
        repeated = {id(one) for one in list_repeated(facts, function, is_strict=True)}
        is_repeated = None
        for call in every:
            if id(call) not in repeated:
                continue
            identity = self._identify_receiver(facts, function, call)
            if identity is None:
                continue
            if is_repeated is None:
                is_repeated = self._calls.is_repeated(function)
            if is_repeated and not self._is_replaced(identity):
                yield call, identity

    def _registers(self, facts: Facts, call: ast.Call) -> bool:
        return is_registrar(facts.module.qualify(call.func), call)

    def _identify_receiver(self, facts: Facts, function: Function, call: ast.Call) -> str | None:
        name = facts.module.qualify(call.func)
        if name in known_names.REGISTERING_FUNCTIONS:
            return name
        if not isinstance(call.func, ast.Attribute):
            return None
        return self._identify(facts, function, call.func.value, MAX_CALLERS)

    def _identify(self, facts: Facts, function: Function, value: ast.expr, depth: int) -> str | None:
        """Return the identity of the kept object that an expression stands for; None if it is no such object."""
        value = unwrap_await(value)
        if isinstance(value, ast.Attribute):
            return self._identify_attribute(facts, function, value, depth)
        if isinstance(value, ast.Call):
            return self._identify_result(facts, value)
        if not isinstance(value, ast.Name):
            return None
        if value.id not in list_locals(function):
            is_global = value.id in facts.module.top_level_names
            return self._closure.resolve(facts.module.qualify(value)) if is_global else None
        arguments = [one.arg for one in (*function.args.posonlyargs, *function.args.args)]
        if value.id in arguments:
            return self._identify_argument(function, value.id, depth)
        return self._identify_variable(facts, function, value.id, depth)

    def _identify_variable(self, facts: Facts, function: Function, name: str, depth: int) -> str | None:
        pairs = list_all_assignments(function)
        values = [one for target, one in pairs if isinstance(target, ast.Name) and target.id == name]
        if not depth or len(values) != 1 or values[0] is None:
            return None
        return self._identify(facts, function, values[0], depth - 1)

    def _identify_attribute(
        self, facts: Facts, function: Function, value: ast.Attribute, depth: int
    ) -> str | None:
        owner = self._closure.graph.owner_of(function)
        if isinstance(value.value, ast.Name) and value.value.id in {"self", "cls"}:
            is_kept = owner in self._closure.kept_factories or value.value.id == "cls"
            return f"{owner}.{value.attr}" if is_kept else None
        identity = self._identify(facts, function, value.value, depth)
        return identity and f"{identity}.{value.attr}"

    def _identify_result(self, facts: Facts, call: ast.Call) -> str | None:
        """Return the identity of the kept object that a function returns, as logging.getLogger() does."""
        name = facts.module.qualify(call.func)
        if name in known_names.GETTERS:
            return f"{name}({', '.join(map(ast.unparse, call.args))})"
        identity = self._closure.resolve(f"call:{name}")
        if identity is None or identity.startswith("call:"):
            return None
        made = identity.removeprefix("return:")
        is_kept = (
            made in self._closure.kept_factories if identity.startswith("return:") else ":" not in identity
        )
        return identity if is_kept or self._is_cached(made) else None

    def _is_cached(self, name: str) -> bool:
        groups = (facts.definitions.get(name, ()) for facts in self._closure.modules)
        return any(
            last_name(one.func if isinstance(one, ast.Call) else one) in {"cache", "lru_cache"}
            for group in groups
            for function in group
            for one in function.decorator_list
        )

    def _identify_argument(self, function: Function, name: str, depth: int) -> str | None:
        """Return the identity of the kept object that a caller passes, or that an application passes to its lifespan."""
        if function in self._closure.lifespans:
            mangums = self._closure.select("mangums")
            is_kept = mangums and all(one.function not in self._closure.handled for one in mangums)
            return f"lifespan:{self._closure.graph.name_of(function)}" if is_kept else None
        if not depth:
            return None
        for caller in self._calls.list_callers(function):
            facts = self._calls.find_facts(caller)
            if facts is None:
                continue
            for call in self._calls.list_calls(caller, function.name):
                for value in list_passed(call, function, name):
                    identity = self._identify(facts, caller, value, depth - 1)
                    if identity is not None:
                        return identity
        return None

    def _is_replaced(self, identity: str) -> bool:
        """Return whether each invocation makes the object anew: `global bot` with `bot = Application(...)`."""
        return any(
            self._assigns(facts, function, identity)
            for facts, function in self._assignments.get(identity.rpartition(".")[2], ())
        )

    @cached_property
    def _assignments(self) -> dict[str, list[tuple[Facts, Function]]]:
        """The functions of an invocation that assign what a call returns, by the target's last name."""
        found: dict[str, list[tuple[Facts, Function]]] = {}
        for function, facts in self._closure.functions.items():
            if function not in self._closure.handled:
                continue
            pairs = list_all_assignments(function)
            for name in {last_name(target) for target, value in pairs if isinstance(value, ast.Call)}:
                found.setdefault(name, []).append((facts, function))
        return found

    def _assigns(self, facts: Facts, function: Function, identity: str) -> bool:
        identify = partial(self._closure.graph.identify, facts.module, function)
        last = identity.rpartition(".")[2]
        for target, value in list_all_assignments(function):
            if last_name(target) != last or not isinstance(value, ast.Call):
                continue
            if self._closure.resolve(identify(target)) == identity:
                return not is_guarded(function, identity, identify)
        return False
