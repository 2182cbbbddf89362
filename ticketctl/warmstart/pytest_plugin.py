"""A pytest fixture: warm starts of a Lambda handler, in the tests of whoever wrote it.

Ordinary tests call a handler once, or wrap it in one asyncio.run(), and so never meet a warm start. pytest finds
this module through its entry point in every run; everything but pytest is imported where the fixture is used.
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
    from ticketctl.warmstart.runner.experiment import Experiment, Freeze

Handler = str | Callable[..., Any]
TEST = re.compile(r"(^|\.)(test_\w+|\w+_test|conftest):")
"""Names in modules of tests, which only import what is under test."""


@pytest.fixture
def warm_starts(pytestconfig: pytest.Config) -> "WarmStarts":
    """Invoke a Lambda handler again and again in a process of its own: `warm_starts(handler, event).assert_safe()`."""
    return WarmStarts(pytestconfig.rootpath)


class WarmStarts:
    """What the fixture `warm_starts` gives; `folder` is the handler's working directory."""

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

        The process gets the test's sys.path and environment variables, with `environment` on top, but nothing that
        the test patched in memory. An invocation that takes longer than `timeout` seconds hangs.

        Args:
            handler: "module:function", "module.function", or the function or object itself, if it can be imported by
                name.
            event: what the handler gets: anything that JSON can say.
            times: invocations, at least 1.
            environment: variables for the handler alone.
            timeout: seconds for one invocation, and for the import.
            freeze: cut the handler's connections at the end, "closed" or "silent", and invoke it once more.

        Returns:
            The report; its `assert_safe()` fails with the findings, its `verdict` and `invocations` tell more.

        Raises:
            ValueError: The function cannot be imported by its name, the event is not JSON, or `times` is below 1.
        """
        _check(event)
        from ticketctl.warmstart.runner.experiment import Experiment

        found_as = {"PYTHONPATH": os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)}
        return _in_a_thread(
            Experiment(
                handler=handler if isinstance(handler, str) else dotted(handler),
                events=[event],
                times=times,
                environment=found_as | dict(environment or {}),
                path=self._folder,
                timeout=timeout,
                freeze=freeze,
            )
        )


def _check(event: object) -> None:
    try:
        json.dumps(event)
    except (TypeError, ValueError) as problem:
        raise ValueError(f"the event cannot be sent as JSON, as Lambda would: {problem}") from None


def dotted(handler: Callable[..., Any]) -> str:
    """The handler as "module:name". Raises ValueError where no such name leads back to it."""
    module: str = getattr(handler, "__module__", "")
    name: str = getattr(handler, "__qualname__", "")
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if module != "__main__" and found is handler:
        return f"{module}:{name}"
    names = sorted(_names(handler), key=lambda one: TEST.search(one) is not None)
    if not names:
        raise ValueError(
            f"{handler!r} cannot be imported by name, which another process has to do: "
            'define it at the top of a module, or pass "module:function"'
        )
    return names[0]


def _names(handler: Callable[..., Any]) -> Iterator[str]:
    """Yield the names under which modules hold an object, such as Mangum(app), or the one whose method this is."""
    owner = getattr(handler, "__self__", handler)
    method = "" if owner is handler else f".{getattr(handler, '__name__', '')}"
    for module, one in list(sys.modules.items()):
        for name, value in list(getattr(one, "__dict__", {}).items()):
            if value is owner and module != "__main__":
                yield f"{module}:{name}{method}"


def _in_a_thread(experiment: "Experiment") -> "Report":
    """Run the experiment beside the test, whose own thread may have an event loop running."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    from ticketctl.warmstart.runner.lab import Laboratory

    async def examine() -> "Report":
        async with Laboratory() as laboratory:
            return await laboratory.examine(experiment)

    with ThreadPoolExecutor(max_workers=1) as beside:
        return beside.submit(lambda: asyncio.run(examine())).result()
