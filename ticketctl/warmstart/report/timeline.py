"""The layout of one report as a timeline: lifespans of event loops and connections, and uses of stale connections.

The axis counts invocations, not seconds: the invocation in column i spans i to i + 1, and the loops that it creates
divide it evenly. Loops are L1, L2 ... in order of creation, connections that stay open C1, C2 ... in order of opening.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ticketctl.warmstart.child.ipc import LifecycleEvent
from ticketctl.warmstart.report.error_signatures import CONNECTION_SIGNATURES
from ticketctl.warmstart.report.model import Invocation, InvocationOutcome, Report

MAX_COLUMNS = 10
MAX_CONNECTIONS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifespan:
    """The lifespan of a loop or a connection. `bound_until`: where the connection's event loop is closed."""

    name: str
    label: str
    start: float
    end: float
    bound_until: float
    closed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleUse:
    """The invocation in column `column` used a connection whose own event loop is closed."""

    column: int
    loop: str
    connection: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """The layout of a timeline.

    columns: the invocations; None stands for the import, which has a column only if it did something.
    closed_counts: for each column, the connections that it opened and closed again.
    hidden: the numbers of invocations and of connections that are left out.
    """

    columns: Sequence[Invocation | None]
    thaw: Invocation | None
    loops: Sequence[Lifespan]
    connections: Sequence[Lifespan]
    closed_counts: Sequence[int]
    stale_uses: Sequence[StaleUse]
    hidden: tuple[int, int]


def build_timeline(report: Report) -> Timeline:
    """Return the layout of a report."""
    events, columns = _select_columns(report)
    loops = dict(_lay_out_loops(events))
    connections = list(_lay_out_connections(events, loops))
    visible = connections[:MAX_CONNECTIONS]
    return Timeline(
        columns=columns,
        thaw=report.thaw,
        loops=list(loops.values()),
        connections=visible,
        closed_counts=_count_closed(events),
        stale_uses=list(_find_stale_uses(columns, loops, visible)),
        hidden=(max(0, len(report.invocations) - MAX_COLUMNS), len(connections) - len(visible)),
    )


def _select_columns(report: Report) -> tuple[Sequence[LifecycleEvent], Sequence[Invocation | None]]:
    """Return the events and their columns; an invocation in which the process ended has no event of its own."""
    empty = LifecycleEvent(loops=[], open=[], opened=[], held=[])
    first, *rest = report.lifecycle_events or (empty,)
    invocations = list(report.invocations)[:MAX_COLUMNS]
    events = [*rest, *[empty] * len(invocations)][: len(invocations)]
    if first["loops"] or first["opened"]:
        return [first, *events], [None, *invocations]
    return events, invocations


def _lay_out_loops(events: Sequence[LifecycleEvent]) -> Iterator[tuple[int, Lifespan]]:
    for column, event in enumerate(events):
        for place, number in enumerate(event["loops"]):
            start = column + place / len(event["loops"])
            open_in = [later for later in range(column, len(events)) if number in events[later]["open"]]
            end = open_in[-1] + 1 if open_in else column + (place + 1) / len(event["loops"])
            closed = not open_in or open_in[-1] + 1 < len(events)
            name = f"L{number}"
            yield (
                number,
                Lifespan(name=name, label=name, start=start, end=end, bound_until=end, closed=closed),
            )


def _lay_out_connections(events: Sequence[LifecycleEvent], loops: dict[int, Lifespan]) -> Iterator[Lifespan]:
    """Yield the connections that were still open after the invocation that opened them, in order of opening."""
    loop_of = {number: loop for event in events for number, loop in event["opened"]}
    opened_in = {number: column for column, event in enumerate(events) for number, _ in event["opened"]}
    kept = dict.fromkeys(number for event in events for number in event["held"])
    for place, number in enumerate(sorted(kept, key=lambda one: (_first_held(events, one), one)), 1):
        held = [column for column, event in enumerate(events) if number in event["held"]]
        loop = loops.get(loop_of.get(number) or 0)
        opened = opened_in.get(number, held[0])
        end = float(held[-1] + 1)
        yield Lifespan(
            name=f"C{place}",
            label=f"C{place} of {loop.name}" if loop else f"C{place}",
            start=loop.start if loop and int(loop.start) == opened else opened,
            end=end,
            bound_until=min(end, loop.end) if loop else end,
            closed=held[-1] + 1 < len(events),
        )


def _first_held(events: Sequence[LifecycleEvent], number: int) -> int:
    return next(column for column, event in enumerate(events) if number in event["held"])


def _count_closed(events: Sequence[LifecycleEvent]) -> list[int]:
    return [sum(number not in event["held"] for number, _ in event["opened"]) for event in events]


def _find_stale_uses(
    columns: Sequence[Invocation | None], loops: dict[int, Lifespan], connections: Sequence[Lifespan]
) -> Iterator[StaleUse]:
    """Yield the invocations that failed because they used a connection of a closed loop.

    The error does not say which connection it was. A pool hands out the connection that was returned last, so the
    youngest stale one is assumed.
    """
    for column, invocation in enumerate(columns):
        if invocation is None or not _has_connection_error(invocation):
            continue
        candidates = [
            (loop, stale[-1])
            for loop in loops.values()
            if column <= loop.start < column + 1 and (stale := _list_stale(loop.start, connections))
        ]
        if candidates:
            loop, connection = candidates[0]
            yield StaleUse(column=column, loop=loop.name, connection=connection.name)


def _list_stale(time: float, connections: Sequence[Lifespan]) -> list[Lifespan]:
    """Return the connections that are open at a time and whose loop is closed."""
    return [one for one in connections if one.bound_until <= time < one.end]


def _has_connection_error(invocation: Invocation) -> bool:
    text = invocation.error or ""
    is_ok = invocation.outcome is InvocationOutcome.OK
    return not is_ok and any(one.pattern.search(text) for one in CONNECTION_SIGNATURES)
