"""What the operator's commands share: everything behind the store, for one command."""

from typing import TYPE_CHECKING, TypeVar

from ticketctl.cli.resources import load_settings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ticketctl.runtime import Backstage

Result = TypeVar("Result")


def with_backstage(work: "Callable[[Backstage], Awaitable[Result]]") -> Result:
    """Run one piece of work backstage, in a loop of its own, the embedded server started if it is needed."""
    from ticketctl import event_loops
    from ticketctl.runtime import database, open_backstage

    with database(load_settings()) as found:

        async def opened() -> Result:
            async with open_backstage(found) as backstage:
                return await work(backstage)

        return event_loops.run(opened())
