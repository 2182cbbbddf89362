"""The time limit of one piece of work inside an invocation."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ticketctl.processing.deadline import OutOfTimeError
from ticketctl.processing.record_errors import NotStartedError


@asynccontextmanager
async def limit_time(seconds: float) -> AsyncIterator[None]:
    """Limit the work inside the context.

    Raises:
        NotStartedError: No time is left.
        OutOfTimeError: The time ended before the work was done.
    """
    if seconds == 0:
        raise NotStartedError("too little time was left to start")
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        if error.args:
            raise
        raise OutOfTimeError("the invocation's time ran out") from error
