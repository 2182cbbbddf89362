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
    """Yield a finding for each timer that was armed when the process was frozen, and went off after the thaw."""
    for timer in timers:
        if timer["fired"]:
            line = f" ({timer['line']})" if timer["line"] else ""
            yield Finding(
                kind="late-timer",
                cause=f"{KINDS.get(timer['kind'], timer['kind'])}, {timer['name']}{line}, was left behind by one invocation. The "
                f"process was frozen for {freeze_seconds:g} s, and it went off in the invocation after that.",
                fix=TIMER_FIX,
            )
