"""SnapStart inside the process: the runtime hooks, and the variables that every copy of a snapshot shares.

The hooks are those of snapshot_restore_py. They run in the order in which AWS's runtime interface client runs them:
before the snapshot the last registered one first, after the restore the first one first. Of the variables' values only
digests leave the process.
"""

import hashlib
import os
import random
import re
import sys
from collections.abc import Iterator
from types import FunctionType, ModuleType
from typing import Any

from .ipc import VariableInfo
from .user_code import UserCode

HOOKS_MODULE = "snapshot_restore_py"
SECRET = re.compile(
    r"(password|passwd|passphrase|secret|token|credential|api_?key|private_?key)s?$", re.IGNORECASE
)
"""Names that variables with secrets usually have."""
PLAIN_TYPES = (str, bytes, int, float)
TEXTS = (str, bytes)
NOT_DRAWING = ("default_rng", "seed", "get_state", "set_state", "get_bit_generator", "set_bit_generator")
"""Functions of numpy.random that do not draw from the generator that its other functions share."""

_Value = tuple[str, list[str], Any, tuple[type, ...]]
"""A value's dotted name, the names that lead to its assignment in the source, the value, and which types count."""


def run_before_snapshot() -> None:
    """Run the hooks that were registered with register_before_snapshot."""
    hooks = _registered("get_before_snapshot")
    while hooks:
        function, arguments, named = hooks.pop()
        function(*arguments, **named)


def run_after_restore() -> None:
    """Run the hooks that were registered with register_after_restore."""
    for function, arguments, named in _registered("get_after_restore"):
        function(*arguments, **named)


def _registered(getter: str) -> list[Any]:
    """Return the registered hooks; there are none unless the user's code has imported the module of the hooks."""
    module = sys.modules.get(HOOKS_MODULE)
    hooks: list[Any] = getattr(module, getter)() if module else []
    return hooks


def describe_variables(user_code: UserCode) -> dict[str, VariableInfo]:
    """Return the plain and random values of the user's own modules, by their dotted names.

    Values are those of variables, and one level below of class attributes, attributes of instances of the user's classes,
    dictionaries, and default arguments.
    """
    return {
        f"{module.__name__}.{shown_name}": info
        for module in list(sys.modules.values())
        if (shown := user_code.name(getattr(module, "__file__", None) or ""))
        for shown_name, info in _variables_of(module, shown)
    }


def _variables_of(module: ModuleType, shown: str) -> Iterator[tuple[str, VariableInfo]]:
    for name, value in list(vars(module).items()):
        if name.startswith("__"):
            continue
        for shown_name, names, part, kinds in [
            (name, [name], value, PLAIN_TYPES),
            *_values_below(module, name, value),
        ]:
            state = _random_state(module, name, part)
            is_plain = isinstance(part, kinds) or type(part).__module__ == "uuid"
            if state is None and not is_plain:
                continue
            is_text = state is None and isinstance(part, str | bytes) and bool(part)
            yield (
                shown_name,
                {
                    "digest": _digest(repr(part) if state is None else state),
                    "random": state is not None,
                    "secret": is_text and SECRET.search(shown_name.rstrip("']")) is not None,
                    "file": module.__file__ or "",
                    "shown": shown,
                    "names": names,
                },
            )


def _values_below(module: ModuleType, name: str, value: Any) -> Iterator[_Value]:
    """Yield what a variable's value keeps: numbers are left out, since counters and times are no identities."""
    if isinstance(value, dict):
        for key, part in list(value.items()):
            yield f"{name}[{key!r}]", [name], part, TEXTS
    elif _defining_module(value) != module.__name__:
        return
    elif isinstance(value, FunctionType):
        yield from _defaults_of(name, [name], value)
    elif isinstance(value, type):
        for attribute, part in list(vars(value).items()):
            if isinstance(part, FunctionType):
                yield from _defaults_of(f"{name}.{attribute}", [name, attribute], part)
            elif not attribute.startswith("__"):
                yield f"{name}.{attribute}", [name, attribute], part, TEXTS
    else:
        for attribute, part in list(getattr(value, "__dict__", {}).items()):
            yield f"{name}.{attribute}", [name], part, TEXTS


def _defining_module(value: Any) -> str | None:
    """Return the module that defines a function or class, or the class of an instance."""
    defined = value if isinstance(value, FunctionType | type) else type(value)
    return getattr(defined, "__module__", None)


def _defaults_of(name: str, names: list[str], function: FunctionType) -> Iterator[_Value]:
    code, defaults = function.__code__, function.__defaults__ or ()
    parameters = code.co_varnames[code.co_argcount - len(defaults) : code.co_argcount]
    for parameter, part in [
        *zip(parameters, defaults, strict=True),
        *(function.__kwdefaults__ or {}).items(),
    ]:
        yield f"{name}({parameter})", names, part, TEXTS


def _random_state(module: ModuleType, name: str, value: Any) -> str | None:
    """Return the state of the pseudorandom number generator behind a value; None where there is none.

    For a module whose functions share a generator, it is that generator's, if the source draws from it.
    """
    if value is random:
        return repr(random._inst.getstate()) if _draws_from(module, name) else None  # noqa: SLF001 the state that its functions share
    numpy_random = sys.modules.get("numpy.random")
    if isinstance(value, ModuleType):
        prefix = {"numpy": rf"{name}\.random", "numpy.random": name}.get(value.__name__)
        is_drawn = prefix and _source_has(module, rf"\b{prefix}\.(?!{'|'.join(NOT_DRAWING)})[a-z_]+\(")
        return repr(numpy_random.get_state(legacy=False)) if numpy_random and is_drawn else None
    behind = getattr(value, "__self__", value) if callable(value) else value
    if isinstance(behind, random.Random):
        return None if isinstance(behind, random.SystemRandom) else repr(behind.getstate())
    if numpy_random and isinstance(behind, numpy_random.Generator):
        return repr(behind.bit_generator.state)
    if numpy_random and isinstance(behind, numpy_random.RandomState):
        return repr(behind.get_state(legacy=False))
    return None


def _draws_from(module: ModuleType, name: str) -> bool:
    """Whether the source calls a function of the module `random` that draws from the generator that they share."""
    shared = random._inst  # noqa: SLF001 as above
    functions = [key for key, value in vars(random).items() if getattr(value, "__self__", None) is shared]
    drawing = "|".join(set(functions) - {"seed", "getstate", "setstate"})
    return _source_has(module, rf"\b{re.escape(name)}\.({drawing})\b")


def _source_has(module: ModuleType, pattern: str) -> bool:
    with open(module.__file__ or os.devnull, encoding="utf-8", errors="replace") as source:  # noqa: PTH123 pathlib costs its import
        return re.search(pattern, source.read()) is not None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
