"""How often one client may ask."""

import time
from collections.abc import Callable

_CLIENTS = 10_000
"""Clients that are remembered before those that may ask anyway are forgotten."""

_ROUNDING = 1e-6
"""Seconds that sums of intervals may be off."""


class RateLimit:
    """So many requests a second for each client, and as many at once: the generic cell rate algorithm.

    Of each client it keeps one moment: when all that it has asked for would be done at that rate.
    """

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = 1 / per_second
        self._burst = max(0.0, 1 - self._interval) + _ROUNDING
        self._clock = clock
        self._done_at: dict[str, float] = {}

    def wait(self, client: str) -> float:
        """Count a request; answers the seconds after which it would be taken, 0 where it is."""
        now = self._clock()
        begins = max(now, self._done_at.get(client, now))
        if begins - now > self._burst:
            return begins - now - self._burst
        self._done_at[client] = begins + self._interval
        if len(self._done_at) > _CLIENTS:
            self._done_at = {one: done for one, done in self._done_at.items() if done > now}
        return 0.0
