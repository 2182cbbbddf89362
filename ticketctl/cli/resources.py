"""Settings, and the resources that one command opens: a store, operator resources or a review service."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    from ticketctl.runtime import Database
    from ticketctl.settings import Settings

_OTHER_VARIABLES = ("config", "debug", "user")
"""Variables that are not settings: the settings' file, `--debug`, and the name of the person."""
_warned: set[str] = set()
Resource = TypeVar("Resource")
Result = TypeVar("Result")


def load_settings(**chosen: Any) -> "Settings":
    """Return the settings from environment, file and the values given on the command line. Raises ConfigError."""
    from ticketctl import settings as settings_module

    _warn_of_misspelt_variables(settings_module.NAMES)
    return settings_module.load(os.environ, folder=Path.cwd(), **chosen)


def _warn_of_misspelt_variables(settings: Sequence[str]) -> None:
    """Warn of TICKETCTL_ variables that no setting has: each would be ignored without a word."""
    known = {f"TICKETCTL_{name.upper()}" for name in (*settings, *_OTHER_VARIABLES)}
    for variable in sorted(set(os.environ) - known - _warned):
        if variable.startswith("TICKETCTL_"):
            from difflib import get_close_matches

            from ticketctl.cli import error_reporting

            _warned.add(variable)
            near = get_close_matches(variable, known, n=1)
            suggestion = f"did you mean {near[0]}?" if near else "ticketctl config show lists the settings"
            error_reporting.warn(f"the environment variable {variable} is not a setting; {suggestion}")


def run_with(
    opener: "Callable[[Database], AbstractAsyncContextManager[Resource]]",
    work: "Callable[[Resource], Awaitable[Result]]",
) -> Result:
    """Open a resource on the configured database, run `work` with it and return the result.

    `opener` is `open_store`, `open_operator_resources` or `open_review_service` of `ticketctl.runtime`. The embedded server runs
    meanwhile if no database is configured. Raises what `opener` and `work` raise.
    """
    from ticketctl.runtime import open_database

    with open_database(load_settings()) as opened:
        return run_on(opened, opener, work)


def run_on(
    database: "Database",
    opener: "Callable[[Database], AbstractAsyncContextManager[Resource]]",
    work: "Callable[[Resource], Awaitable[Result]]",
) -> Result:
    """Do the same as `run_with` on a database that is open already, in a new event loop."""
    from ticketctl import event_loops

    async def open_and_run() -> Result:
        async with opener(database) as resource:
            return await work(resource)

    return event_loops.run(open_and_run())
