"""The deadline of the current invocation. The worker sets it; code that is about to wait reads it."""

import math
import time
from contextvars import ContextVar

DEADLINE: ContextVar[float] = ContextVar("DEADLINE", default=math.inf)
"""A time on the monotonic clock. Every task that the worker starts inherits it."""


def get_remaining_seconds() -> float:
    """Return the seconds until the deadline: 0 after it, infinity if none is set."""
    return max(0.0, DEADLINE.get() - time.monotonic())


class OutOfTimeError(Exception):
    """The invocation's time ran out."""
