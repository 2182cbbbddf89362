"""One environment's session: import, invocations, freeze and thaw."""

import asyncio
import signal
from collections.abc import Awaitable, Callable

from ticketctl.warmstart.child.ipc import Message
from ticketctl.warmstart.report.growth import Trend, classify
from ticketctl.warmstart.report.model import InvocationOutcome
from ticketctl.warmstart.runner.cpu_timeout import CpuTimeout
from ticketctl.warmstart.runner.experiment import EnvironmentConfig, Experiment
from ticketctl.warmstart.runner.memory_probe import MOST_SECONDS, probe_memory
from ticketctl.warmstart.runner.ric import EnvironmentProcess
from ticketctl.warmstart.runner.session_data import Session
from ticketctl.warmstart.runner.session_runner import SessionRunner
from ticketctl.warmstart.runner.wait import wait_for_closed_connections

MOST_EXTRA_SECONDS = 30.0
"""How long the invocations beyond `times` may take together, not counting the time in which the process waits for a CPU."""
MIN_FREEZE = 1.0
MAX_FREEZE = 10.0
"""Seconds of a freeze whose length depends on the timers that are armed."""
ENDING = ("threads", "tasks", "child processes")
"""What may end by itself, without an invocation that ends it."""
PAUSE = 2.5
"""Seconds in which it does so."""
BEYOND_TIMER = 0.25
"""Seconds by which such a freeze is longer than the last timer."""


async def run_session(
    process: EnvironmentProcess,
    experiment: Experiment,
    config: EnvironmentConfig,
    start: Message,
    turn: Callable[[], Awaitable[object]] | None = None,
) -> Session:
    """Run the experiment in one environment. Only the one without garbage collection is frozen.

    `turn` is awaited before each invocation, where several environments are invoked at the same time.
    """
    session = Session()
    runner = SessionRunner(process, experiment, session)
    if not await runner.start(start) or (experiment.snapstart and not await runner.restore()):
        return session
    for number in range(1, experiment.times + 1):
        if turn:
            await turn()
        result = await runner.invoke(number, _event(config, number))
        session.results.append(result)
        if result.process_end:
            return session
        if config.server:
            at_most = session.sockets[-1] if session.sockets else 0
            session.backends.append(await wait_for_closed_connections(config.server, at_most=at_most))
        if config.observer:
            await config.observer(result.invocation)
    if start["gc"]:
        await _probe_memory(process, runner, experiment, config, session)
    elif await _invoke_until_decided(process, runner, experiment, config, session):
        await _collect_garbage(runner, experiment, session)
        if experiment.thaw:
            await _freeze_and_thaw(process, runner, experiment, config, session)
    return session


def _event(config: EnvironmentConfig, number: int) -> object:
    return config.events[(number - 1) % len(config.events)]


def _is_sound(session: Session) -> bool:
    results = [*session.results, *session.extra_results]
    return all(result.invocation.outcome is InvocationOutcome.OK for result in results)


async def _invoke_until_decided(
    process: EnvironmentProcess,
    runner: SessionRunner,
    experiment: Experiment,
    config: EnvironmentConfig,
    session: Session,
) -> bool:
    """Invoke on while it is not clear whether a count grows; return whether the process lives.

    A handler that fails is broken whatever it leaks.
    """
    timeout = CpuTimeout(process.pid, MOST_EXTRA_SECONDS)
    number = experiment.times
    while (
        number < experiment.max_times
        and _is_sound(session)
        and timeout.remaining() > 0
        and any(classify(series) is Trend.UNDECIDED for series in session.counts.values())
    ):
        number += 1
        result = await runner.invoke(number, _event(config, number), "counts")
        session.extra_results.append(result)
        if result.process_end:
            return False
    return number == experiment.times or await _find_transient(runner, number + 1, config, session)


async def _find_transient(
    runner: SessionRunner, number: int, config: EnvironmentConfig, session: Session
) -> bool:
    """Find the counts of what ends by itself a little later; return whether the process lives."""
    growing = [
        name
        for name in ENDING
        if classify(session.counts.get(name, []), is_final=True) is Trend.GROWING and _is_sound(session)
    ]
    if not growing:
        return True
    before = {name: session.counts[name][-1] for name in growing}
    await asyncio.sleep(PAUSE)
    result = await runner.invoke(number, _event(config, number))
    session.extra_results.append(result)
    if result.process_end:
        return False
    session.transient = {name for name in growing if session.counts[name][-1] < before[name]}
    return True


async def _collect_garbage(runner: SessionRunner, experiment: Experiment, session: Session) -> None:
    """Find out how much of what has grown is garbage, which the collector would have freed sooner or later."""
    has_grown = any(classify(series, is_final=True) is Trend.GROWING for series in session.counts.values())
    if has_grown or (experiment.skip_gc_if_known and any(session.connections)):
        answer = await runner.ask({"command": "collect_garbage"})
        session.collected = answer["counts"] if answer else {}


async def _probe_memory(
    process: EnvironmentProcess,
    runner: SessionRunner,
    experiment: Experiment,
    config: EnvironmentConfig,
    session: Session,
) -> None:
    if experiment.times >= experiment.max_times or not experiment.census or not _is_sound(session):
        return
    number = experiment.times

    async def invoke() -> bool:
        nonlocal number
        number += 1
        result = await runner.invoke_unobserved(number, _event(config, number))
        return result.invocation.outcome is InvocationOutcome.OK

    timeout = CpuTimeout(process.pid, MOST_SECONDS)
    session.memory = await probe_memory(runner.ask, invoke, len(config.events), timeout)


async def _freeze_and_thaw(
    process: EnvironmentProcess,
    runner: SessionRunner,
    experiment: Experiment,
    config: EnvironmentConfig,
    session: Session,
) -> None:
    """Stop the process, break its connections meanwhile, and invoke it once more: what happens between invocations.

    The clocks of the process run on, so that its timers and deadlines expire.
    """
    if not config.server and not experiment.freeze:
        return
    if experiment.freeze:
        session.timers = (await runner.ask({"command": "find_timers"}) or {"timers": []})["timers"]
        session.freeze_seconds = _freeze_seconds(experiment, session)
        if experiment.freeze != "kept":
            await runner.ask({"command": "cut", "silently": experiment.freeze == "silent"})
    process.signal(signal.SIGSTOP)
    try:
        if config.server and not experiment.freeze:
            await config.server.disconnect()
        await asyncio.sleep(session.freeze_seconds)
    finally:
        process.signal(signal.SIGCONT)
    number = experiment.times + 1
    session.thaw = await runner.invoke_unobserved(number, _event(config, number))
    if not experiment.freeze:
        return
    if session.thaw.process_end:
        # the handler of a signal may have ended the process: it cannot be asked any more
        for timer in session.timers:
            timer["fired"] = timer["kind"] == "signal" and timer["seconds"] <= session.freeze_seconds
    else:
        session.timers = (await runner.ask({"command": "check_timers"}) or {"timers": []})["timers"]


def _freeze_seconds(experiment: Experiment, session: Session) -> float:
    if experiment.freeze_seconds is not None:
        return experiment.freeze_seconds
    longest = max((timer["seconds"] for timer in session.timers), default=0.0)
    return min(MAX_FREEZE, max(MIN_FREEZE, longest + BEYOND_TIMER))
