"""What came and went in one invocation: event loops and connections, by number, for a drawing of it."""

from typing import TypedDict

from .allocation_sites import Sites
from .open_fds import Holding


class Moment(TypedDict):
    """One invocation.

    `loops`: numbers of the loops that were made in it; `open`: of those that are not closed after it. `opened`: the
    connections that it opened, each with the loop that ran then; `held`: those that are open after it. A connection
    that a C library opened is known by its descriptor only, as a negative number.
    """

    loops: list[int]
    open: list[int]
    opened: list[tuple[int, int | None]]
    held: list[int]


class Moments:
    """Tells moments apart: each has what came after the one before."""

    def __init__(self, sites: Sites) -> None:
        self._sites = sites
        self._met = 0

    def take(self, holdings: list[Holding]) -> Moment:
        """Return what happened since the last call."""
        met, self._met = self._met, self._sites.loops.met
        opened, self._sites.opened = self._sites.opened, []
        return {
            "loops": list(range(met + 1, self._met + 1)),
            "open": self._sites.loops.open(),
            "opened": opened,
            "held": [self._sites.of(one.number).number or -one.number for one in holdings if one.peer],
        }
