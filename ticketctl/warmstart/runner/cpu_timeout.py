"""A timeout that stands still while the process waits for a CPU: on a busy machine, slow is not hung."""

import contextlib
import time
from pathlib import Path

MOST = 10
"""How many times the timeout may pass in all, whatever the process waits for."""


class CpuTimeout:
    """The timeout of one request to a process, in seconds.

    Linux counts for how long a thread was ready to run without a CPU (the second number of /proc/PID/schedstat, in
    nanoseconds). Where that is not known, only wall time counts.
    """

    def __init__(self, pid: int, timeout: float) -> None:
        self._schedstat = Path(f"/proc/{pid}/schedstat")
        self._timeout = timeout
        self._started = time.monotonic()
        self._waited_before = self._waited()

    def remaining(self) -> float:
        """Return the seconds that are left, at most; 0 or less when the time is over."""
        elapsed = time.monotonic() - self._started
        waited = min(self._waited() - self._waited_before, elapsed)
        return min(self._timeout - (elapsed - waited), MOST * self._timeout - elapsed)

    def _waited(self) -> float:
        with contextlib.suppress(OSError, ValueError, IndexError):
            return int(self._schedstat.read_text(encoding="ascii").split()[1]) / 1e9
        return 0.0
