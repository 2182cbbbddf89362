"""The verdict and the findings of an experiment, judged from what its two environments showed."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ticketctl.warmstart.report import (
    failure_findings,
    leak_findings,
    memory_findings,
    peer_findings,
    snapstart,
    timer_findings,
)
from ticketctl.warmstart.report.growth import Trend, classify
from ticketctl.warmstart.report.hidden_error_findings import find_hidden_errors
from ticketctl.warmstart.report.model import (
    Finding,
    Invocation,
    InvocationOutcome,
    Report,
    Verdict,
)
from ticketctl.warmstart.runner.experiment import Experiment
from ticketctl.warmstart.runner.invocation_result import InvocationResult
from ticketctl.warmstart.runner.session_data import Session


def build_report(
    experiment: Experiment, without_gc: Session, with_gc: Session, peers: Sequence[Session] = ()
) -> Report:
    """Return the report of an experiment.

    The environment whose garbage collector is off decides; the other one adds its counts of connections, the growth of
    its memory, and the second initialization that SnapStart's findings compare with. `peers` were invoked at the same
    time as the first one.
    """
    shared_state = list(snapstart.find_shared_state(without_gc.snapshot, with_gc.snapshot))
    memory_leaks = list(memory_findings.find_memory_leaks(with_gc.memory))
    peer_failures = list(peer_findings.find_peer_failures(peers))
    shared_files = list(peer_findings.find_shared_files([without_gc, *peers]))
    verdicts = [
        judge_session(without_gc, has_memory_leaks=bool(memory_leaks), event_count=len(experiment.events))
    ]
    if peer_failures:
        verdicts.append(Verdict.BROKEN)
    if shared_files:
        verdicts.append(Verdict.FRAGILE)
    if any(one.kind in snapstart.SHARED_STATE_KINDS for one in shared_state):
        verdicts.append(Verdict.UNSAFE)
    return Report(
        handler=experiment.handler,
        times=experiment.times,
        verdict=min(verdicts, key=list(Verdict).index),
        invocations=[_complete(result) for result in without_gc.results],
        thaw=_complete(without_gc.thaw) if without_gc.thaw else None,
        leftovers=without_gc.leftovers,
        # invocations beyond `times` only show whether a count grows
        connections=without_gc.connections[: experiment.times],
        connections_gc=with_gc.connections,
        findings=[
            *shared_state,
            *peer_failures,
            *_find_all(without_gc, experiment),
            *memory_leaks,
            *shared_files,
        ],
        labels=experiment.labels,
        lifecycle_events=without_gc.lifecycle_events[: experiment.times + 1],
        series=_list_series(without_gc, with_gc),
    )


def _complete(result: InvocationResult) -> Invocation:
    return replace(result.invocation, printed=result.printed, cost=result.cost)


def _list_series(without_gc: Session, with_gc: Session) -> dict[str, Sequence[int]]:
    """Return the counts of the first environment, and the memory of the second one if it was probed."""
    series: dict[str, Sequence[int]] = {**without_gc.counts, "connections": without_gc.connections}
    if with_gc.memory is not None:
        series |= {"memory": with_gc.memory.rss, "tmp": with_gc.memory.tmp}
    return series


def judge_session(session: Session, *, has_memory_leaks: bool = False, event_count: int = 1) -> Verdict:
    """Return the verdict on an environment whose garbage collector is off."""
    if list_failures(session):
        return Verdict.BROKEN
    if _select_growing(session) or has_memory_leaks:
        return Verdict.LEAKING
    results = [*session.results, *session.extra_results]
    if (
        session.leftovers
        or any(leak_findings.find_loop_warnings(results))
        or any(find_hidden_errors(results, event_count))
    ):
        return Verdict.MASKED
    has_failed_thaw = session.thaw is not None and is_failure(session.thaw)
    return Verdict.FRAGILE if has_failed_thaw or _has_late_timers(session) else Verdict.SAFE


def _has_late_timers(session: Session) -> bool:
    return any(timer["fired"] for timer in session.timers)


def is_failure(result: InvocationResult) -> bool:
    """Return whether the invocation was not ok, or ended the process."""
    return result.invocation.outcome is not InvocationOutcome.OK or result.process_end is not None


def list_failures(session: Session) -> list[InvocationResult]:
    """Return the invocations that were not ok; the one after the thaw is not among them."""
    return [result for result in [*session.results, *session.extra_results] if is_failure(result)]


def is_growing(counts: Sequence[int]) -> bool:
    """Return whether a count keeps growing from invocation to invocation."""
    return classify(counts, is_final=True) is Trend.GROWING


def _select_growing(session: Session) -> dict[str, Sequence[int]]:
    """Return the counts that grow, by name; connections include the server's view of them."""
    counts = {**session.counts, "connections": session.connections}
    return {
        name: series
        for name, series in counts.items()
        if is_growing(series) and name not in session.transient
    }


def _find_all(session: Session, experiment: Experiment) -> Iterator[Finding]:
    failures = list_failures(session)
    yield from failure_findings.find_failures(failures, experiment.path)
    yield from leak_findings.find_leaks(_select_growing(session), session.holders, session.collected)
    yield from leak_findings.find_leftovers(session.leftovers)
    # the thaw says nothing about a handler that fails anyway
    if session.thaw and is_failure(session.thaw) and not failures:
        yield failure_findings.describe_thaw(
            session.thaw,
            session.holders.get("connections", {}),
            freeze=experiment.freeze,
            seconds=session.freeze_seconds,
        )
    if not failures:
        yield from timer_findings.find_late_timers(session.timers, session.freeze_seconds)
    yield from failure_findings.find_false_fixes(session.results, failures)
    # the process keeps more and more sockets while the server sees no more connections: they were replaced
    if is_growing(session.sockets) and session.backends and session.backends[-1] <= session.backends[0]:
        yield failure_findings.RECYCLING
    yield from leak_findings.find_loop_warnings(session.results)
    yield from find_hidden_errors([*session.results, *session.extra_results], len(experiment.events))
