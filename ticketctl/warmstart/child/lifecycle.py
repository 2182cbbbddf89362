"""The event loops and connections that come and go in each invocation, by number."""

from .allocation_sites import AllocationSites
from .ipc import LifecycleEvent
from .open_fds import OpenFd


class LifecycleRecorder:
    """Divides what the allocation sites record into invocations."""

    def __init__(self, sites: AllocationSites) -> None:
        self._sites = sites
        self._loops_before = 0

    def take(self, open_fds: list[OpenFd]) -> LifecycleEvent:
        """Return what happened since the last call; `open_fds` is what is open now."""
        before, self._loops_before = self._loops_before, self._sites.loops.count
        opened, self._sites.opened = self._sites.opened, []
        return {
            "loops": list(range(before + 1, self._loops_before + 1)),
            "open": self._sites.loops.numbers_of_open(),
            "opened": opened,
            "held": [self._sites.of_socket(fd.number).number or -fd.number for fd in open_fds if fd.peer],
        }
