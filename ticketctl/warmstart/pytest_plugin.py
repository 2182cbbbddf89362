"""A pytest fixture that tests Lambda handlers against warm starts.

Ordinary tests call a handler once, or wrap it in one asyncio.run(), so they never see a warm start. pytest imports
this module through its entry point in every run; therefore it imports nothing but pytest until the fixture is used.
"""

import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ticketctl.warmstart.report.model import Report
    from ticketctl.warmstart.runner.experiment import Freeze

Handler = str | Callable[..., Any]
TEST_MODULE = re.compile(r"(^|\.)(test_\w+|\w+_test|conftest):")
"""Names in test modules, which usually only import the handler."""


@pytest.fixture
def warm_starts(pytestconfig: pytest.Config) -> "WarmStarts":
    """Invoke a Lambda handler repeatedly in its own process: `warm_starts(handler, event).assert_safe()`."""
    return WarmStarts(pytestconfig.rootpath)


class WarmStarts:
    """The value of the fixture `warm_starts`; `folder` is the handler's working directory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(
        self,
        handler: Handler,
        event: object,
        times: int = 3,
        *,
        environment: Mapping[str, str] | None = None,
        timeout: float = 60.0,
        freeze: "Freeze | None" = None,
    ) -> "Report":
        """Invoke the handler `times` times in one process, as Lambda does with a warm execution environment.

        The process gets the test's sys.path and environment variables, with `environment` on top. It does not get
        anything that the test patched in memory.

        Args:
            handler: "module:function", "module.function", or a function or object that can be imported by name.
            event: the handler's event; anything that JSON can represent.
            times: invocations, at least 1.
            environment: environment variables for the handler alone.
            timeout: seconds before an invocation, or the import, counts as hung.
            freeze: close the handler's connections after the last invocation, as the server would ("closed") or
                without a word ("silent"), and invoke the handler once more.

        Returns:
            The report. `assert_safe()` fails with the findings unless the verdict is safe.

        Raises:
            ValueError: The handler cannot be imported by name, the event is not JSON, or `times` is below 1.

        """
        _require_json(event)
        from ticketctl.warmstart.runner.experiment import Experiment
        from ticketctl.warmstart.runner.sync import run_experiment

        import_path = {"PYTHONPATH": os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)}
        return run_experiment(
            Experiment(
                handler=handler if isinstance(handler, str) else qualify(handler),
                events=[event],
                times=times,
                environment=import_path | dict(environment or {}),
                path=self._folder,
                timeout=timeout,
                freeze=freeze,
            )
        )


def _require_json(event: object) -> None:
    try:
        json.dumps(event)
    except (TypeError, ValueError) as problem:
        raise ValueError(f"the event is not JSON, so Lambda could not send it: {problem}") from None


def qualify(handler: Callable[..., Any]) -> str:
    """Return the handler as "module:name". Raises ValueError if no module has it under any name."""
    module: str = getattr(handler, "__module__", "")
    name: str = getattr(handler, "__qualname__", "")
    value: Any = sys.modules.get(module)
    for part in name.split("."):
        value = getattr(value, part, None)
    if module != "__main__" and value is handler:
        return f"{module}:{name}"
    # a test module usually imports the handler: prefer the module that defines it
    names = sorted(_find_names(handler), key=lambda one: TEST_MODULE.search(one) is not None)
    if not names:
        raise ValueError(
            f"{handler!r} cannot be imported by name, and the child process has to import it: "
            'define it at the top level of a module, or pass "module:function"'
        )
    return names[0]


def _find_names(handler: Callable[..., Any]) -> Iterator[str]:
    """Yield "module:name" for each module variable that holds the object, or whose method the handler is."""
    owner = getattr(handler, "__self__", handler)
    method = "" if owner is handler else f".{getattr(handler, '__name__', '')}"
    for module, one in list(sys.modules.items()):
        for name, value in list(getattr(one, "__dict__", {}).items()):
            if value is owner and module != "__main__":
                yield f"{module}:{name}{method}"
