"""SnapStart inside the process: the runtime hooks, and what an initialization leaves in every copy of its snapshot.

The hooks are those of snapshot_restore_py, run as AWS's runtime client runs them: before the snapshot in the reverse
order of their registration, after the restore in their order. Values are told as digests; nothing else leaves.
"""

import hashlib
import os
import random
import re
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any, TypedDict

from .user_code import UserCode

HOOKS = "snapshot_restore_py"
SECRET = re.compile(
    r"(password|passwd|passphrase|secret|token|credential|api_?key|private_?key)s?$", re.IGNORECASE
)
"""How secrets are named."""
PLAIN = (str, bytes, int, float)


class Value(TypedDict):
    """A module's own variable: a digest of it, and whether it is `random` state or looks like a `secret`."""

    digest: str
    random: bool
    secret: bool


def before_snapshot() -> None:
    """Run the hooks that were registered for this moment."""
    hooks = _registered("get_before_snapshot")
    while hooks:
        function, arguments, named = hooks.pop()
        function(*arguments, **named)


def after_restore() -> None:
    """Run the hooks that were registered for this moment."""
    for function, arguments, named in _registered("get_after_restore"):
        function(*arguments, **named)


def _registered(name: str) -> list[Any]:
    """Return the hooks; the user's own import has brought their module in, if there are any."""
    module = sys.modules.get(HOOKS)
    found: list[Any] = getattr(module, name)() if module else []
    return found


def values(source: UserCode) -> dict[str, Value]:
    """Describe the variables of the user's own modules, by their dotted names."""
    return {
        f"{module.__name__}.{name}": value
        for module in list(sys.modules.values())
        if source.name(getattr(module, "__file__", None) or "")
        for name, value in _of_module(module)
    }


def _of_module(module: ModuleType) -> Iterator[tuple[str, Value]]:
    for name, one in list(vars(module).items()):
        generator = _generator(module, name, one)
        if generator is not None:
            state = repr(generator.getstate())
            yield name, {"digest": _digest(state), "random": True, "secret": False}
        elif not name.startswith("__") and (isinstance(one, PLAIN) or type(one).__module__ == "uuid"):
            secret = isinstance(one, str | bytes) and bool(one) and SECRET.search(name) is not None
            yield name, {"digest": _digest(repr(one)), "random": False, "secret": secret}


def _generator(module: ModuleType, name: str, one: Any) -> random.Random | None:
    """Return the generator of pseudorandom numbers behind a name: itself, or that of the module `random`."""
    if one is random:
        return random._inst if _draws(module, name) else None  # noqa: SLF001 the state that its functions share
    behind = getattr(one, "__self__", one) if callable(one) else one
    seeded = isinstance(behind, random.Random) and not isinstance(behind, random.SystemRandom)
    return behind if seeded else None


def _draws(module: ModuleType, name: str) -> bool:
    """Whether the source calls a function of the module `random` that draws from its own generator."""
    functions = [key for key, one in vars(random).items() if getattr(one, "__self__", None) is random._inst]  # noqa: SLF001 as above
    drawing = "|".join(set(functions) - {"seed", "getstate", "setstate"})
    with open(module.__file__ or os.devnull, encoding="utf-8", errors="replace") as source:  # noqa: PTH123 pathlib costs its import
        return re.search(rf"\b{re.escape(name)}\.({drawing})\b", source.read()) is not None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
