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
from types import ModuleType
from typing import Any

from .ipc import VariableInfo
from .user_code import UserCode

HOOKS_MODULE = "snapshot_restore_py"
SECRET = re.compile(
    r"(password|passwd|passphrase|secret|token|credential|api_?key|private_?key)s?$", re.IGNORECASE
)
"""Names that variables with secrets usually have."""
PLAIN_TYPES = (str, bytes, int, float)


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
    """Return the plain and random variables of the user's own modules, by their dotted names."""
    return {
        f"{module.__name__}.{name}": info
        for module in list(sys.modules.values())
        if (shown := user_code.name(getattr(module, "__file__", None) or ""))
        for name, info in _variables_of(module, shown)
    }


def _variables_of(module: ModuleType, shown: str) -> Iterator[tuple[str, VariableInfo]]:
    file = module.__file__ or ""
    for name, value in list(vars(module).items()):
        generator = _random_generator(module, name, value)
        if generator is not None:
            state = repr(generator.getstate())
            yield (
                name,
                {"digest": _digest(state), "random": True, "secret": False, "file": file, "shown": shown},
            )
        elif not name.startswith("__") and (
            isinstance(value, PLAIN_TYPES) or type(value).__module__ == "uuid"
        ):
            secret = isinstance(value, str | bytes) and bool(value) and SECRET.search(name) is not None
            yield (
                name,
                {
                    "digest": _digest(repr(value)),
                    "random": False,
                    "secret": secret,
                    "file": file,
                    "shown": shown,
                },
            )


def _random_generator(module: ModuleType, name: str, value: Any) -> random.Random | None:
    """Return the pseudorandom number generator behind a variable: itself, or the one of the module `random`."""
    if value is random:
        return random._inst if _draws_from(module, name) else None  # noqa: SLF001 the state that its functions share
    behind = getattr(value, "__self__", value) if callable(value) else value
    seeded = isinstance(behind, random.Random) and not isinstance(behind, random.SystemRandom)
    return behind if seeded else None


def _draws_from(module: ModuleType, name: str) -> bool:
    """Whether the source calls a function of the module `random` that draws from the generator that they share."""
    shared = random._inst  # noqa: SLF001 as above
    functions = [key for key, value in vars(random).items() if getattr(value, "__self__", None) is shared]
    drawing = "|".join(set(functions) - {"seed", "getstate", "setstate"})
    with open(module.__file__ or os.devnull, encoding="utf-8", errors="replace") as source:  # noqa: PTH123 pathlib costs its import
        return re.search(rf"\b{re.escape(name)}\.({drawing})\b", source.read()) is not None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
