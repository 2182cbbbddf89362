"""From what two environments showed to a verdict and its findings."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from ticketctl.warmstart import causes
from ticketctl.warmstart.course import Course, Try
from ticketctl.warmstart.experiment import Experiment
from ticketctl.warmstart.report import Finding, Outcome, Report, Verdict


def report(experiment: Experiment, off: Course, on: Course) -> Report:
    """Judge an experiment by its environment without garbage collection; `on` adds its counts.

    A failure that only the collector brings about (a finalizer that runs on a closed loop) counts as well.
    """
    return Report(
        handler=experiment.handler,
        times=experiment.times,
        verdict=judge(off, on),
        invocations=[tried.invocation for tried in off.tries],
        thaw=off.thaw.invocation if off.thaw else None,
        zombies=[remains.zombie for remains in off.remains],
        connections=off.connections,
        connections_gc=on.connections,
        findings=list(_findings(off, on)),
        labels=experiment.labels,
    )


def judge(off: Course, on: Course) -> Verdict:
    """Return the verdict on what the environments without and with garbage collection showed."""
    if failures(off) or failures(on):
        return Verdict.BROKEN
    if any(grows(counts) for counts in (off.connections, off.descriptors, off.threads)):
        return Verdict.LEAKING
    if off.remains:
        return Verdict.MASKED
    return Verdict.FRAGILE if off.thaw and failed(off.thaw) else Verdict.SAFE


def failed(tried: Try) -> bool:
    """Whether the invocation was anything but ok."""
    return tried.invocation.outcome is not Outcome.OK or tried.end is not None


def failures(course: Course) -> list[Try]:
    """Return the invocations that were not ok, the one after the thaw aside."""
    return [tried for tried in course.tries if failed(tried)]


def grows(counts: Sequence[int]) -> bool:
    """Whether a count keeps growing from invocation to invocation.

    What the first invocation opens may stay. From there on it must never shrink, gain at least one for every two
    invocations and two in all (one for each, where there are fewer), and not have stopped in the first half.
    """
    steps = len(counts) - 1
    if steps < 1:
        return False
    gain = counts[-1] - counts[0]
    steady = all(later >= earlier for earlier, later in pairwise(counts))
    enough = gain >= min(steps, max(2, steps // 2))
    return steady and enough and counts[-1] > counts[steps // 2]


def _findings(off: Course, on: Course) -> Iterator[Finding]:
    bad = failures(off) or failures(on)
    yield from causes.of_failures(bad)
    yield from causes.of_growth(
        {
            name: counts
            for name, counts in (
                ("connections", off.connections),
                ("descriptors", off.descriptors),
                ("threads", off.threads),
            )
            if grows(counts)
        }
    )
    yield from causes.of_remains(off.remains)
    if off.thaw and failed(off.thaw):
        yield causes.of_thaw(off.thaw, sound=not bad)
    yield from causes.false_cures(off.tries, bad)
    if grows(off.sockets):
        yield from causes.false_recycling(off.backends)
