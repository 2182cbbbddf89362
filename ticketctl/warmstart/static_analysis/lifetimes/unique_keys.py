"""Which expressions have a new value in each invocation: a UUID, the time, the id of a request, a counter."""

import ast
import re
from collections.abc import Sequence

from ticketctl.warmstart.static_analysis.facts.escape_analysis import (
    list_globals,
    list_locals,
    list_nodes,
    unwrap_await,
)
from ticketctl.warmstart.static_analysis.facts.import_closure import ImportClosure
from ticketctl.warmstart.static_analysis.facts.module_facts import Facts, Function
from ticketctl.warmstart.static_analysis.lifetimes.kept_containers import (
    MAX_STEPS,
    KeptContainers,
    list_values,
)
from ticketctl.warmstart.static_analysis.repository.syntax import last_name, walk

GENERATORS = re.compile(
    r"uuid\.uuid[1467]|time\.(time|time_ns|monotonic|monotonic_ns|perf_counter|perf_counter_ns)"
    r"|datetime\.(datetime\.)?(now|utcnow)|secrets\.token_(hex|bytes|urlsafe)|os\.urandom|random\.random"
    r"|ulid\.(ULID|new)|shortuuid\.uuid|nanoid\.generate|bson\.(objectid\.)?ObjectId|ksuid\.\w+"
)
IDENTIFIERS = frozenset(
    {
        "aws_request_id",
        "eventID",
        "MessageId",
        "messageId",
        "receiptHandle",
        "requestId",
        "sequenceNumber",
        "update_id",
    }
)
"""Attributes and keys whose values AWS or Telegram makes up for each event."""
PRESERVING = frozenset(
    {
        "decode",
        "digest",
        "encode",
        "hexdigest",
        "isoformat",
        "lower",
        "replace",
        "strip",
        "timestamp",
        "upper",
    }
)
"""Methods whose result differs as the object does."""
CONVERTERS = frozenset({"dumps", "float", "int", "md5", "repr", "sha1", "sha256", "str", "tuple", "UUID"})
SECONDS = re.compile(r"%[SfsTcX]")


class UniqueKeys:
    """Answers whether an expression in a function has a new value in each invocation."""

    def __init__(self, closure: ImportClosure, containers: KeptContainers) -> None:
        self._closure = closure
        self._containers = containers

    def is_unique(self, facts: Facts, function: Function, value: ast.expr, steps: int = MAX_STEPS) -> bool:
        """Return whether the value is certainly a new one."""

        def ask(part: ast.expr) -> bool:
            return self.is_unique(facts, function, part, steps)

        if isinstance(value, ast.IfExp):
            return ask(value.body) and ask(value.orelse)
        if isinstance(value, ast.BoolOp):
            return all(map(ask, value.values))
        return (
            _is_generated(facts, value)
            or _counts(function, value)
            or any(map(ask, _list_parts(value)))
            or (steps > 0 and self._is_unique_elsewhere(facts, function, value, steps))
        )

    def _is_unique_elsewhere(self, facts: Facts, function: Function, value: ast.expr, steps: int) -> bool:
        """Return whether the value is a new one because of what a variable or a function stands for."""
        if isinstance(value, ast.Name):
            return self._is_unique_name(facts, function, value, steps)
        if isinstance(value, ast.Attribute | ast.Subscript) and isinstance(value.value, ast.Name):
            passed = _list_passed_on(function, value.value.id, value)
            return bool(passed) and all(self.is_unique(facts, function, one, steps - 1) for one in passed)
        if not isinstance(value, ast.Call):
            return False
        last = last_name(value.func)
        first = value.args[0] if value.args else None
        if last == "next" and isinstance(first, ast.Name):
            return self._closure.find_maker(facts.module.qualify(first)) == "itertools.count"
        if last == "len" and first is not None:
            return self._containers.find(facts, function, first) is not None
        return self._returns_unique(facts.module.qualify(value.func), steps)

    def _returns_unique(self, name: str, steps: int) -> bool:
        """Return whether an own function returns a new value in each call."""
        name = self._closure.follow_import(name)
        for facts in self._closure.modules:
            for function in facts.definitions.get(name, ()):
                returned = [one.value for one in list_nodes(function) if isinstance(one, ast.Return)]
                return (
                    bool(returned)
                    and not function.decorator_list
                    and all(
                        one is not None and self.is_unique(facts, function, one, steps - 1)
                        for one in returned
                    )
                )
        return False

    def _is_unique_name(self, facts: Facts, function: Function, name: ast.Name, steps: int) -> bool:
        if name.id not in list_locals(function):
            return False
        if name.id in {one.arg for one in list_nodes(function.args) if isinstance(one, ast.arg)}:
            passed = list(self._containers.list_passed(function, name.id))
            return bool(passed) and all(
                self.is_unique(other, caller, value, steps - 1) for other, caller, value in passed
            )
        values = list_values(function, name.id)
        return bool(values) and all(self.is_unique(facts, function, one, steps - 1) for one in values)


def _is_generated(facts: Facts, value: ast.expr) -> bool:
    """Return whether an expression itself makes a new value, or reads one that the event's sender has made."""
    match value:
        case ast.Attribute(attr=name):
            return name in IDENTIFIERS
        case ast.Subscript(slice=ast.Constant(value=key)):
            return key in IDENTIFIERS
        case ast.Call(func=ast.Attribute(attr="get"), args=[ast.Constant(value=key), *_]):
            return key in IDENTIFIERS
        case ast.Call(func=ast.Name(id="getattr"), args=[_, ast.Constant(value=key), *_]):
            return key in IDENTIFIERS
        case ast.Call():
            return GENERATORS.fullmatch(facts.module.qualify(value.func)) is not None
    return False


def _list_passed_on(function: Function, name: str, part: ast.Attribute | ast.Subscript) -> list[ast.expr]:
    """Return what a part of the object in a variable is made of: `Row(id=...)` of row.id, `{"id": ...}` of row["id"]."""
    made = [unwrap_await(one) for one in list_values(function, name)]
    found: list[ast.expr | None] = []
    for one in made:
        if isinstance(one, ast.Call) and isinstance(part, ast.Attribute):
            found.append(next((each.value for each in one.keywords if each.arg == part.attr), None))
        elif isinstance(one, ast.Dict) and isinstance(part, ast.Subscript):
            keys = [ast.unparse(key) if key is not None else "" for key in one.keys]
            key = ast.unparse(part.slice)
            found.append(one.values[keys.index(key)] if key in keys else None)
    known = [one for one in found if one is not None]
    return known if len(known) == len(made) else []


def _list_parts(value: ast.expr) -> Sequence[ast.expr]:  # noqa: PLR0911 (a list of decisions)
    """Return the parts of an expression that make it a new value if one of them is."""
    match value:
        case ast.Attribute(attr="hex" | "int" | "bytes") | ast.Subscript(slice=ast.Slice()):
            return [value.value]
        case ast.JoinedStr():
            parts = [one for one in value.values if isinstance(one, ast.FormattedValue)]
            return [one.value for one in parts if _is_exact(one)]
        case ast.Tuple() | ast.List():
            return value.elts
        case ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div()):
            return [value.left, value.right]
        case ast.BinOp(op=ast.Mod(), left=ast.Constant(value=str())):
            return [value.right]
        case ast.Call():
            return _list_parts_of_call(value)
    return ()


def _list_parts_of_call(call: ast.Call) -> Sequence[ast.expr]:
    last = last_name(call.func)
    if last in CONVERTERS or last in {"format", "join"}:
        return [*call.args, *(one.value for one in call.keywords)]
    if not isinstance(call.func, ast.Attribute):
        return ()
    if last == "strftime":
        texts = [str(one.value) for one in call.args if isinstance(one, ast.Constant)]
        return [call.func.value] if any(map(SECONDS.search, texts)) else ()
    # datetime.replace(minute=0) has keywords
    return [call.func.value] if last in PRESERVING and not call.keywords else ()


def _counts(function: Function, counter: ast.expr) -> bool:
    """Return whether a function adds to a counter that outlives it: `self.count += 1`."""
    is_global = isinstance(counter, ast.Name) and counter.id in list_globals(function)
    if not is_global and not isinstance(counter, ast.Attribute):
        return False
    text = ast.unparse(counter)
    return any(
        isinstance(node, ast.AugAssign)
        and isinstance(node.op, ast.Add)
        and last_name(node.target) == last_name(counter)
        and ast.unparse(node.target) == text
        for node in list_nodes(function)
    )


def _is_exact(part: ast.FormattedValue) -> bool:
    """Return whether an f-string keeps the value's differences: `{now:%Y-%m-%d}` does not."""
    texts = (
        [one.value for one in walk(part.format_spec) if isinstance(one, ast.Constant)]
        if part.format_spec
        else []
    )
    return "%" not in "".join(map(str, texts)) or SECONDS.search("".join(map(str, texts))) is not None
