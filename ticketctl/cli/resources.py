"""What commands share: settings with what was chosen on the command line, and a store for one command."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ticketctl.runtime import Database
    from ticketctl.settings import Settings
    from ticketctl.tickets.protocols import TicketStore
    from ticketctl.tickets.review import Desk

Result = TypeVar("Result")


def load_settings(**chosen: Any) -> "Settings":
    """The settings from environment, file and command line. Raises ConfigError."""
    from ticketctl import settings as settings_module

    return settings_module.load(os.environ, folder=Path.cwd(), **chosen)


def with_store(work: "Callable[[TicketStore], Awaitable[Result]]") -> Result:
    """Run one piece of work on a store, in a loop of its own, the embedded server started if it is needed."""
    from ticketctl import event_loops
    from ticketctl.runtime import database, open_store

    with database(load_settings()) as found:

        async def opened() -> Result:
            async with open_store(found) as store:
                return await work(store)

        return event_loops.run(opened())


def with_desk(work: "Callable[[Desk], Awaitable[Result]]") -> Result:
    """The same for a person's word on a ticket."""
    from ticketctl.runtime import database

    with database(load_settings()) as found:
        return at_desk(found, work)


def at_desk(found: "Database", work: "Callable[[Desk], Awaitable[Result]]") -> Result:
    """One piece of work at the desk, on a database that is there, in a loop of its own."""
    from ticketctl import event_loops
    from ticketctl.runtime import open_desk

    async def opened() -> Result:
        async with open_desk(found) as desk:
            return await work(desk)

    return event_loops.run(opened())
