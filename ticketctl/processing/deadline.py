"""Until when the work at hand must be done: set by whoever runs it, read by whoever is about to wait."""

import math
import time
from contextvars import ContextVar

DEADLINE: ContextVar[float] = ContextVar("DEADLINE", default=math.inf)
"""A time on the monotonic clock; every task that is started inherits it."""


def remaining() -> float:
    """Seconds until the deadline; 0 after it, infinity where none is set."""
    return max(0.0, DEADLINE.get() - time.monotonic())
