"""Settings, and the resources that one command opens: a store, operator resources or a review service."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    from ticketctl.runtime import Database
    from ticketctl.settings import Settings

Resource = TypeVar("Resource")
Result = TypeVar("Result")


def load_settings(**chosen: Any) -> "Settings":
    """Return the settings from environment, file and the values given on the command line. Raises ConfigError."""
    from ticketctl import settings as settings_module

    return settings_module.load(os.environ, folder=Path.cwd(), **chosen)


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
