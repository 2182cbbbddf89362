"""One report as a timeline: which loop lived when, which connection outlived it, and who was handed that one.

The axis counts invocations, not seconds: the invocation in column i spans i to i + 1, and the loops that it made
divide it evenly. Loops are L1, L2 ... as they were made, connections that stayed C1, C2 ... as they were opened.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ticketctl.warmstart.child.ipc import LifecycleEvent
from ticketctl.warmstart.report.error_signatures import OF_CONNECTIONS
from ticketctl.warmstart.report.model import Invocation, InvocationOutcome, Report

MOST_COLUMNS = 10
MOST_CONNECTIONS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A loop's or a connection's life. `bound_until`: where the loop that a connection belongs to was closed."""

    name: str
    label: str
    start: float
    end: float
    bound_until: float
    closed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Handing:
    """An invocation, in column `column`, whose loop was handed a connection of a loop that is gone."""

    column: int
    loop: str
    connection: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """What is to be drawn.

    `columns` are the invocations, None for the import where something happened in it; `passing` the connections
    that each opened and closed again; `hidden` how many invocations and connections are left out.
    """

    columns: Sequence[Invocation | None]
    thaw: Invocation | None
    loops: Sequence[Bar]
    connections: Sequence[Bar]
    passing: Sequence[int]
    handings: Sequence[Handing]
    hidden: tuple[int, int]


def timeline(report: Report) -> Timeline:
    """Lay out a report."""
    events, columns = _shown(report)
    loops = dict(_loops(events))
    every = list(_connections(events, loops))
    return Timeline(
        columns=columns,
        thaw=report.thaw,
        loops=list(loops.values()),
        connections=every[:MOST_CONNECTIONS],
        passing=_passing(events),
        handings=list(_handings(columns, loops, every[:MOST_CONNECTIONS])),
        hidden=(max(0, len(report.invocations) - MOST_COLUMNS), max(0, len(every) - MOST_CONNECTIONS)),
    )


def _shown(report: Report) -> tuple[Sequence[LifecycleEvent], Sequence[Invocation | None]]:
    """The events and what they are called; an invocation in which the process ended has no event of its own."""
    nothing = LifecycleEvent(loops=[], open=[], opened=[], held=[])
    first, *rest = report.moments or (nothing,)
    invocations = list(report.invocations)[:MOST_COLUMNS]
    events = [*rest, *[nothing] * len(invocations)][: len(invocations)]
    if first["loops"] or first["opened"]:
        return [first, *events], [None, *invocations]
    return events, invocations


def _loops(events: Sequence[LifecycleEvent]) -> Iterator[tuple[int, Bar]]:
    for column, event in enumerate(events):
        for place, number in enumerate(event["loops"]):
            start = column + place / len(event["loops"])
            open_in = [later for later in range(column, len(events)) if number in events[later]["open"]]
            end = open_in[-1] + 1 if open_in else column + (place + 1) / len(event["loops"])
            closed = not open_in or open_in[-1] + 1 < len(events)
            name = f"L{number}"
            yield number, Bar(name=name, label=name, start=start, end=end, bound_until=end, closed=closed)


def _connections(events: Sequence[LifecycleEvent], loops: dict[int, Bar]) -> Iterator[Bar]:
    """Yield what was still open after the invocation that opened it, in the order of opening."""
    on = {number: loop for event in events for number, loop in event["opened"]}
    opened_in = {number: column for column, event in enumerate(events) for number, _ in event["opened"]}
    kept = dict.fromkeys(number for event in events for number in event["held"])
    for place, number in enumerate(sorted(kept, key=lambda one: (_first_held(events, one), one)), 1):
        held = [column for column, event in enumerate(events) if number in event["held"]]
        loop = loops.get(on.get(number) or 0)
        end = float(held[-1] + 1)
        yield Bar(
            name=f"C{place}",
            label=f"C{place} of {loop.name}" if loop else f"C{place}",
            start=loop.start
            if loop and int(loop.start) == opened_in[number]
            else opened_in.get(number, held[0]),
            end=end,
            bound_until=min(end, loop.end) if loop else end,
            closed=held[-1] + 1 < len(events),
        )


def _first_held(events: Sequence[LifecycleEvent], number: int) -> int:
    return next(column for column, event in enumerate(events) if number in event["held"])


def _passing(events: Sequence[LifecycleEvent]) -> list[int]:
    return [sum(number not in event["held"] for number, _ in event["opened"]) for event in events]


def _handings(
    columns: Sequence[Invocation | None], loops: dict[int, Bar], connections: Sequence[Bar]
) -> Iterator[Handing]:
    """Yield the invocations whose error says that they met what belongs to another loop, with what that was.

    A pool hands out what was returned to it last: the youngest of the connections that were there.
    """
    for column, invocation in enumerate(columns):
        if invocation is None or not _tells_of_another_loop(invocation):
            continue
        met = [
            (one, there[-1])
            for one in loops.values()
            if column <= one.start < column + 1 and (there := _left_by(one.start, connections))
        ]
        if met:
            loop, connection = met[0]
            yield Handing(column=column, loop=loop.name, connection=connection.name)


def _left_by(moment: float, connections: Sequence[Bar]) -> list[Bar]:
    """The connections that are open at a moment, and whose loop is closed."""
    return [one for one in connections if one.bound_until <= moment < one.end]


def _tells_of_another_loop(invocation: Invocation) -> bool:
    text = invocation.error or ""
    return invocation.outcome is not InvocationOutcome.OK and any(
        one.pattern.search(text) for one in OF_CONNECTIONS
    )
