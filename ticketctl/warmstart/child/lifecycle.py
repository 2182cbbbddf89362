"""What came and went in one invocation: event loops and connections, by number, for a drawing of it."""

from .allocation_sites import AllocationSites
from .ipc import LifecycleEvent
from .open_fds import OpenFd


class LifecycleRecorder:
    """Tells moments apart: each has what came after the one before."""

    def __init__(self, sites: AllocationSites) -> None:
        self._sites = sites
        self._met = 0

    def take(self, list_open_fds: list[OpenFd]) -> LifecycleEvent:
        """Return what happened since the last call."""
        met, self._met = self._met, self._sites.loops.met
        opened, self._sites.opened = self._sites.opened, []
        return {
            "loops": list(range(met + 1, self._met + 1)),
            "open": self._sites.loops.open(),
            "opened": opened,
            "held": [self._sites.of(one.number).number or -one.number for one in list_open_fds if one.peer],
        }
