"""The deadline of the current invocation. The worker sets it; code that is about to wait reads it."""

import math
import time
from contextvars import ContextVar

from ticketctl.errors import ConfigError
from ticketctl.settings import PREFIX, Settings

MINIMUM_WORK_SECONDS = 0.5
"""The least time before the grace period in which a batch can be claimed and started."""

DEADLINE: ContextVar[float] = ContextVar("DEADLINE", default=math.inf)
"""A time on the monotonic clock. Every task that the worker starts inherits it."""


def get_remaining_seconds() -> float:
    """Return the seconds until the deadline: 0 after it, infinity if none is set."""
    return max(0.0, DEADLINE.get() - time.monotonic())


class OutOfTimeError(Exception):
    """The time of the invocation ended before the work was done. The record is returned; a later attempt may succeed.

    It does not use up a delivery where the queue is ours: short time is no fault of the ticket.
    """


def require_time_to_start(settings: Settings) -> None:
    """Raise ConfigError if the settings leave no time to start a batch: then every delivery would be in vain."""
    minimum = settings.shutdown_reserve + MINIMUM_WORK_SECONDS
    for name in ("function_timeout", "visibility_timeout"):
        seconds = getattr(settings, name)
        if seconds < minimum:
            raise ConfigError(
                f"the setting {name} ({seconds:g} s) leaves no time to process a ticket: the grace period "
                f"(shutdown_reserve) takes {settings.shutdown_reserve:g} s",
                hint=f"set {PREFIX}{name.upper()} to at least {minimum:g}, or lower {PREFIX}SHUTDOWN_RESERVE",
            )
