"""Findings about timers that one invocation arms and that go off in a later one."""

from collections.abc import Iterator, Sequence

from ticketctl.warmstart.child.ipc import TimerInfo
from ticketctl.warmstart.report.model import Finding

KINDS = {
    "signal": "An interval timer of the process",
    "callback": "A callback of the event loop",
    "thread": "A thread",
    "task": "A task",
}
TIMER_FIX = (
    "Cancel it before the handler returns (signal.alarm(0), handle.cancel(), Timer.cancel(), task.cancel()), in a finally "
    "block. Lambda freezes the process between invocations, its clocks run on, and what is due goes off in the next one."
)


def find_late_timers(timers: Sequence[TimerInfo], freeze_seconds: float) -> Iterator[Finding]:
    """Yield a finding for each line whose timers were armed when the process was frozen, and went off after the thaw."""
    groups: dict[tuple[str, str | None], list[TimerInfo]] = {}
    for timer in timers:
        if timer["fired"]:
            groups.setdefault((timer["kind"], timer["line"]), []).append(timer)
    for (kind, line), members in groups.items():
        at = f" ({line})" if line else ""
        more = f" {len(members)} such were left behind." if len(members) > 1 else ""
        yield Finding(
            kind="late-timer",
            cause=f"{KINDS.get(kind, kind)}, {members[0]['name']}{at}, was left behind by one invocation. The process was "
            f"frozen for {freeze_seconds:.1f} s, and it went off in the invocation after that.{more}",
            fix=TIMER_FIX,
        )
