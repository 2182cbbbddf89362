"""What the operator's commands share: everything behind the store, for one command."""

from typing import TYPE_CHECKING, TypeVar

from ticketctl.cli.resources import load_settings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ticketctl.runtime import OperatorResources

Result = TypeVar("Result")


def with_operator_resources(work: "Callable[[OperatorResources], Awaitable[Result]]") -> Result:
    """Run one piece of work resources, in a loop of its own, the embedded server started if it is needed."""
    from ticketctl import event_loops
    from ticketctl.runtime import database, open_operator_resources

    with database(load_settings()) as found:

        async def opened() -> Result:
            async with open_operator_resources(found) as resources:
                return await work(resources)

        return event_loops.run(opened())
