"""The verdict and the findings of an experiment, judged from what its two environments showed."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from ticketctl.warmstart.report import failure_findings, leak_findings, snapstart
from ticketctl.warmstart.report.model import Finding, InvocationOutcome, Report, Verdict
from ticketctl.warmstart.runner.experiment import Experiment
from ticketctl.warmstart.runner.invocation_result import InvocationResult
from ticketctl.warmstart.runner.session import Session


def build_report(experiment: Experiment, without_gc: Session, with_gc: Session) -> Report:
    """Return the report of an experiment.

    The environment whose garbage collector is off decides; the other one adds its counts of connections, and the
    second initialization that SnapStart's findings compare with.
    """
    shared_state = list(snapstart.find_shared_state(without_gc.snapshot, with_gc.snapshot))
    verdict = judge_session(without_gc)
    if any(one.kind in snapstart.SHARED_STATE_KINDS for one in shared_state):
        verdict = min(verdict, Verdict.UNSAFE, key=list(Verdict).index)
    return Report(
        handler=experiment.handler,
        times=experiment.times,
        verdict=verdict,
        invocations=[result.invocation for result in without_gc.results],
        thaw=without_gc.thaw.invocation if without_gc.thaw else None,
        leftovers=without_gc.leftovers,
        connections=without_gc.connections,
        connections_gc=with_gc.connections,
        findings=[
            *shared_state,
            *_find_all(without_gc, silent=experiment.freeze == "silent"),
        ],
        labels=experiment.labels,
        lifecycle_events=without_gc.lifecycle_events,
    )


def judge_session(session: Session) -> Verdict:
    """Return the verdict on an environment whose garbage collector is off."""
    if list_failures(session):
        return Verdict.BROKEN
    if _select_growing(session):
        return Verdict.LEAKING
    if session.leftovers or any(map(leak_findings.has_destroyed_task, session.results)):
        return Verdict.MASKED
    return Verdict.FRAGILE if session.thaw and is_failure(session.thaw) else Verdict.SAFE


def is_failure(result: InvocationResult) -> bool:
    """Return whether the invocation was not ok, or ended the process."""
    return result.invocation.outcome is not InvocationOutcome.OK or result.process_end is not None


def list_failures(session: Session) -> list[InvocationResult]:
    """Return the invocations that were not ok; the one after the thaw is not among them."""
    return [result for result in session.results if is_failure(result)]


def is_growing(counts: Sequence[int]) -> bool:
    """Return whether a count keeps growing from invocation to invocation.

    What the first invocation opens may stay. From there on it must never shrink, gain at least one for every two
    invocations and two in all (one for each, where there are fewer), and not have stopped in the first half.
    """
    steps = len(counts) - 1
    if steps < 1:
        return False
    gain = counts[-1] - counts[0]
    is_steady = all(later >= earlier for earlier, later in pairwise(counts))
    is_enough = gain >= min(steps, max(2, steps // 2))
    return is_steady and is_enough and counts[-1] > counts[steps // 2]


def _select_growing(session: Session) -> dict[str, Sequence[int]]:
    """Return the counts that grow, by name; connections include the server's view of them."""
    counts = {**session.counts, "connections": session.connections}
    return {name: series for name, series in counts.items() if is_growing(series)}


def _find_all(session: Session, *, silent: bool) -> Iterator[Finding]:
    failures = list_failures(session)
    yield from failure_findings.find_failures(failures)
    yield from leak_findings.find_leaks(_select_growing(session), session.holders)
    yield from leak_findings.find_leftovers(session.leftovers)
    if session.thaw and is_failure(session.thaw) and not failures:
        # of a handler that fails anyway, the invocation after the thaw says nothing about the freeze
        yield failure_findings.describe_thaw(session.thaw, silent=silent)
    yield from failure_findings.find_false_fixes(session.results, failures)
    # the process keeps more and more sockets while the server sees no more connections: they were replaced
    if is_growing(session.sockets) and session.backends and session.backends[-1] <= session.backends[0]:
        yield failure_findings.RECYCLING
    yield from leak_findings.find_loop_warnings(session.results)
