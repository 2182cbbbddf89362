"""What was observed of one environment."""

from dataclasses import dataclass, field
from itertools import zip_longest

from ticketctl.warmstart.child.ipc import LifecycleEvent, TimerInfo
from ticketctl.warmstart.report.model import Leftover
from ticketctl.warmstart.report.snapstart import Snapshot
from ticketctl.warmstart.runner.invocation_result import InvocationResult
from ticketctl.warmstart.runner.memory_probe import MemoryProbe


@dataclass(slots=True, kw_only=True)
class Session:
    """What was observed of one environment.

    results: of the invocations before the freeze; thaw: of the one after it.
    extra_results: of further invocations, after the results and before the freeze, which show whether counts grow.
    counts: after each of all these invocations: "connections" (sockets of the process), "descriptors", "loops",
        "threads", "tasks" (unfinished ones on loops that live on) and, on Linux, "child processes".
    holders: for each of the counts, what the last invocation left, in words, and how often.
    backends: the environment's connections according to the server, after each of the results.
    lifecycle_events: one for the import, and one for each invocation.
    snapshot: what a SnapStart snapshot contained, where one was requested.
    memory: how memory grew, where it may have (the environment with garbage collection only).
    freeze_seconds: how long the process was stopped; timers: those that were armed then, and which of them have fired
        in the invocation after the thaw.
    collected: the counts after a garbage collection, where counts had grown until then, or where it tells whether an
        environment with garbage collection would have had others.
    transient: the counts that grew while invocations followed each other at once, and shrank after a pause.
    tmp_writes: the files below /tmp that the process has written, with the user's line that did it.
    """

    results: list[InvocationResult] = field(default_factory=list)
    extra_results: list[InvocationResult] = field(default_factory=list)
    thaw: InvocationResult | None = None
    leftovers: list[Leftover] = field(default_factory=list)
    counts: dict[str, list[int]] = field(default_factory=dict)
    holders: dict[str, dict[str, int]] = field(default_factory=dict)
    backends: list[int] = field(default_factory=list)
    lifecycle_events: list[LifecycleEvent] = field(default_factory=list)
    snapshot: Snapshot = field(default_factory=Snapshot)
    memory: MemoryProbe | None = None
    freeze_seconds: float = 0.0
    timers: list[TimerInfo] = field(default_factory=list)
    collected: dict[str, int] = field(default_factory=dict)
    transient: set[str] = field(default_factory=set)
    tmp_writes: dict[str, str | None] = field(default_factory=dict)

    @property
    def sockets(self) -> list[int]:
        """The connections of the process after each invocation."""
        return self.counts.get("connections", [])

    @property
    def connections(self) -> list[int]:
        """The larger of sockets and backends, after each invocation."""
        return [max(pair) for pair in zip_longest(self.sockets, self.backends, fillvalue=0)]
