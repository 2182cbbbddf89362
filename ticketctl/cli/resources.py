"""What commands share: settings with what was chosen on the command line, and a store for one command."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ticketctl.runtime import Database
    from ticketctl.settings import Settings
    from ticketctl.tickets.protocols import TicketStore
    from ticketctl.tickets.review import ReviewService

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


def with_review_service(work: "Callable[[ReviewService], Awaitable[Result]]") -> Result:
    """The same for a person's word on a ticket."""
    from ticketctl.runtime import database

    with database(load_settings()) as found:
        return run_review(found, work)


def run_review(found: "Database", work: "Callable[[ReviewService], Awaitable[Result]]") -> Result:
    """One piece of work at the reviews, on a database that is there, in a loop of its own."""
    from ticketctl import event_loops
    from ticketctl.runtime import open_review_service

    async def opened() -> Result:
        async with open_review_service(found) as reviews:
            return await work(reviews)

    return event_loops.run(opened())
