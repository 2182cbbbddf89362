"""From what two environments showed to a verdict and its findings."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from ticketctl.warmstart.report import findings, snapstart
from ticketctl.warmstart.report.model import Finding, InvocationOutcome, Report, Verdict
from ticketctl.warmstart.runner.experiment import Experiment
from ticketctl.warmstart.runner.session import InvocationResult, Session


def report(experiment: Experiment, off: Session, on: Session) -> Report:
    """Judge an experiment by its environment without garbage collection; `on` adds its counts of connections."""
    return Report(
        handler=experiment.handler,
        times=experiment.times,
        verdict=judge(off),
        invocations=[tried.invocation for tried in off.results],
        thaw=off.thaw.invocation if off.thaw else None,
        leftovers=off.leftovers,
        connections=off.connections,
        connections_gc=on.connections,
        findings=[
            *snapstart.findings(off.snapshot, on.snapshot),
            *_findings(off, silent=experiment.freeze == "silent"),
        ],
        labels=experiment.labels,
        moments=off.lifecycle_events,
    )


def judge(session: Session) -> Verdict:
    """Return the verdict on what the environment without garbage collection showed."""
    if failures(session):
        return Verdict.BROKEN
    if _growing(session):
        return Verdict.LEAKING
    if session.leftovers or any(map(findings.tells_of_lost_work, session.results)):
        return Verdict.MASKED
    return Verdict.FRAGILE if session.thaw and failed(session.thaw) else Verdict.SAFE


def failed(tried: InvocationResult) -> bool:
    """Whether the invocation was anything but ok."""
    return tried.invocation.outcome is not InvocationOutcome.OK or tried.process_end is not None


def failures(session: Session) -> list[InvocationResult]:
    """Return the invocations that were not ok, the one after the thaw aside."""
    return [tried for tried in session.results if failed(tried)]


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


def _growing(session: Session) -> dict[str, Sequence[int]]:
    """Return what grows: all kinds of counts, the server's view of the connections included."""
    counts = {**session.counts, "connections": session.connections}
    return {name: series for name, series in counts.items() if grows(series)}


def _findings(session: Session, *, silent: bool) -> Iterator[Finding]:
    bad = failures(session)
    growing = _growing(session)
    yield from findings.of_failures(bad)
    yield from findings.of_growth(growing, session.holders)
    yield from findings.of_remains(session.leftovers)
    if session.thaw and failed(session.thaw):
        yield findings.of_thaw(session.thaw, silent=silent, sound=not bad)
    yield from findings.of_false_cures(session.results, bad)
    if grows(session.sockets) and session.backends and session.backends[-1] <= session.backends[0]:
        yield findings.RECYCLING
    yield from findings.of_noise(session.results)
