"""From what two environments showed to a verdict and its findings."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from ticketctl.warmstart.report import findings, snapstart
from ticketctl.warmstart.report.model import Finding, InvocationOutcome, Report, Verdict
from ticketctl.warmstart.runner.experiment import Experiment
from ticketctl.warmstart.runner.session import Course, Try


def report(experiment: Experiment, off: Course, on: Course) -> Report:
    """Judge an experiment by its environment without garbage collection; `on` adds its counts of connections."""
    return Report(
        handler=experiment.handler,
        times=experiment.times,
        verdict=judge(off),
        invocations=[tried.invocation for tried in off.tries],
        thaw=off.thaw.invocation if off.thaw else None,
        leftovers=off.remains,
        connections=off.connections,
        connections_gc=on.connections,
        findings=[
            *snapstart.findings(off.snapshot, on.snapshot),
            *_findings(off, silent=experiment.freeze == "silent"),
        ],
        labels=experiment.labels,
        moments=off.moments,
    )


def judge(course: Course) -> Verdict:
    """Return the verdict on what the environment without garbage collection showed."""
    if failures(course):
        return Verdict.BROKEN
    if _growing(course):
        return Verdict.LEAKING
    if course.remains or any(map(findings.tells_of_lost_work, course.tries)):
        return Verdict.MASKED
    return Verdict.FRAGILE if course.thaw and failed(course.thaw) else Verdict.SAFE


def failed(tried: Try) -> bool:
    """Whether the invocation was anything but ok."""
    return tried.invocation.outcome is not InvocationOutcome.OK or tried.end is not None


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


def _growing(course: Course) -> dict[str, Sequence[int]]:
    """Return what grows: all kinds of counts, the server's view of the connections included."""
    counts = {**course.counts, "connections": course.connections}
    return {name: series for name, series in counts.items() if grows(series)}


def _findings(course: Course, *, silent: bool) -> Iterator[Finding]:
    bad = failures(course)
    growing = _growing(course)
    yield from findings.of_failures(bad)
    yield from findings.of_growth(growing, course.holders)
    yield from findings.of_remains(course.remains)
    if course.thaw and failed(course.thaw):
        yield findings.of_thaw(course.thaw, silent=silent, sound=not bad)
    yield from findings.of_false_cures(course.tries, bad)
    if grows(course.sockets) and course.backends and course.backends[-1] <= course.backends[0]:
        yield findings.RECYCLING
    yield from findings.of_noise(course.tries)
