"""The rate limit of the API's clients."""

import time
from collections.abc import Callable

_CLIENTS = 10_000
"""The most clients to remember."""

_ROUNDING = 1e-6
"""Seconds of rounding error that sums of intervals may have."""


class RateLimit:
    """Allow so many requests per second and client, and as many at once (the generic cell rate algorithm).

    It keeps one time per client: when all requests of the client would be served at that rate. Of more than 10,000
    clients it forgets those whose last allowed request is the oldest.
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
        # removed and added again: the dictionary stays in the order of the last request
        self._served_until.pop(client, None)
        self._served_until[client] = begins + self._interval
        if len(self._served_until) > _CLIENTS:
            del self._served_until[next(iter(self._served_until))]
        return 0.0
