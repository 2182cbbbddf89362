"""The rate limit of one client."""

import time
from collections.abc import Callable

_CLIENTS = 10_000
"""Clients to remember before those that are below their limit are dropped."""

_ROUNDING = 1e-6
"""Seconds of rounding error that sums of intervals may have."""


class RateLimit:
    """Allow so many requests per second and client, and as many at once (the generic cell rate algorithm).

    It keeps one time per client: when all requests of the client would be served at that rate.
    """

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = 1 / per_second
        self._burst = max(0.0, 1 - self._interval) + _ROUNDING
        self._clock = clock
        self._served_until: dict[str, float] = {}

    def count(self, client: str) -> float:
        """Count a request. Return 0 if it is allowed, else the seconds until it would be."""
        now = self._clock()
        begins = max(now, self._served_until.get(client, now))
        if begins - now > self._burst:
            return begins - now - self._burst
        self._served_until[client] = begins + self._interval
        if len(self._served_until) > _CLIENTS:
            self._served_until = {one: done for one, done in self._served_until.items() if done > now}
        return 0.0
