"""The laboratory: runs experiments and returns reports."""

import asyncio
import contextlib
import os
import sys
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from ticketctl.warmstart.child.ipc import ObservationLevel
from ticketctl.warmstart.report.model import Report
from ticketctl.warmstart.report.verdict import build_report
from ticketctl.warmstart.runner.experiment import EnvironmentConfig, Experiment
from ticketctl.warmstart.runner.process import (
    ChildProcess,
    EntryPoint,
    ForkServer,
    LaboratoryError,
    check_interpreter,
    kill_marked_processes,
    start_captured,
)
from ticketctl.warmstart.runner.ric import EnvironmentProcess, RicProcess
from ticketctl.warmstart.runner.runtime_api import FUNCTION_NAME, RuntimeApi
from ticketctl.warmstart.runner.session import run_session
from ticketctl.warmstart.runner.session_data import Session

MOST_SECONDS_APART = 5.0
"""How long an environment waits for the others to be ready for the next invocation."""


class Laboratory:
    """Examines handlers in child processes; an async context manager.

    Args:
        python: the interpreter of experiments that name none; by default, this one.
        preload: modules that a fork server imports once; environments are forked from it. While they are imported, they
            must not read environment variables that an experiment sets. Without any, and for experiments that name a
            path or an interpreter of their own, each environment is a new process.

    """

    def __init__(self, python: str | None = None, preload: Sequence[str] = ()) -> None:
        self._python = python or sys.executable
        self._preload = preload
        self._fork_server: ForkServer | None = None

    async def __aenter__(self) -> Self:
        if self._preload and hasattr(os, "fork"):
            self._fork_server = ForkServer(self._python, self._preload)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._fork_server:
            await self._fork_server.close()

    async def examine(self, experiment: Experiment) -> Report:
        """Run the experiment in two environments, garbage collector off and on, and return the report.

        Raises LaboratoryError where no process can be started; whatever the handler does is in the report.
        """
        observed = await self.observe(experiment)
        return build_report(experiment, observed.without_gc, observed.with_gc, observed.peers)

    async def observe(self, experiment: Experiment) -> "Observed":
        """Run the experiment, and return what was observed. Raises LaboratoryError as `examine`."""
        config, config_with_gc = experiment.environments
        turn = _Turns(experiment.concurrency).take if experiment.concurrency > 1 else None
        peer_config = EnvironmentConfig(events=config.events, environment=config.environment)
        try:
            async with asyncio.TaskGroup() as group:
                without_gc = group.create_task(self._run(experiment, config, gc=False, turn=turn))
                peers = [
                    group.create_task(self._run(experiment, peer_config, gc=False, turn=turn))
                    for _ in range(experiment.concurrency - 1)
                ]
                with_gc = group.create_task(
                    self._run_after(without_gc, experiment, config_with_gc)
                    if experiment.skip_gc_if_known
                    else self._run(experiment, config_with_gc, gc=True)
                )
        except ExceptionGroup as problems:
            raise problems.exceptions[0] from None
        if experiment.python and without_gc.result().results[0].process_end:
            await check_interpreter(experiment.python)
        return Observed(without_gc.result(), with_gc.result(), [peer.result() for peer in peers])

    async def _run_after(
        self, first: asyncio.Task[Session], experiment: Experiment, config: EnvironmentConfig
    ) -> Session:
        """Run the environment with garbage collection, unless a collection closed nothing in the first one."""
        without_gc = await first
        left = without_gc.sockets[-1] if without_gc.sockets else None
        if any(without_gc.connections) and without_gc.collected.get("connections") != left:
            return await self._run(experiment, config, gc=True)
        return Session(counts={"connections": without_gc.connections})

    async def _run(
        self,
        experiment: Experiment,
        config: EnvironmentConfig,
        *,
        gc: bool,
        turn: Callable[[], Awaitable[object]] | None = None,
    ) -> Session:
        process, variables = await self._start(experiment, config)
        if experiment.snapstart:
            variables = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}
        environment_id = uuid.uuid4().hex
        start = {
            "command": "start",
            "function_name": FUNCTION_NAME,
            "handler": experiment.handler,
            "path": str(experiment.path.resolve()) if experiment.path else None,
            "environment": {**config.environment, **variables},
            "environment_id": environment_id,
            "timeout": experiment.timeout,
            "gc": gc,
            "is_call": experiment.is_call,
            "is_thorough": experiment.is_thorough,
            "observe": _observation_level(experiment, gc=gc),
        }
        with contextlib.closing(process):
            try:
                session = await run_session(process, experiment, config, start, turn)
            finally:
                await process.end()
        # the environment's process group has ended; what has left the group, only the marker tells
        if any(session.counts.get("child processes", ())) or (gc and experiment.is_thorough):
            kill_marked_processes(environment_id)
        return session

    async def _start(
        self, experiment: Experiment, config: EnvironmentConfig
    ) -> tuple[EnvironmentProcess, Mapping[str, str]]:
        """Return a process for one environment, and the variables that its runtime needs."""
        if experiment.runtime == "direct":
            return await self._start_child(experiment, config, "environment"), {}
        api = RuntimeApi()
        address = await api.open()
        try:
            process = await self._start_child(experiment, config, "ric_host")
        except LaboratoryError:
            await api.close()
            raise
        return RicProcess(process, api), {"AWS_LAMBDA_RUNTIME_API": address}

    async def _start_child(
        self, experiment: Experiment, config: EnvironmentConfig, entry_point: EntryPoint
    ) -> ChildProcess:
        if self._fork_server and not experiment.path and not experiment.python:
            return await self._fork_server.fork(entry_point)
        python = experiment.python or self._python
        return start_captured(python, config.environment, experiment.path, entry_point)


@dataclass(frozen=True, slots=True)
class Observed:
    """What was observed of an experiment's environments; `peers` were invoked at the same time as `without_gc`."""

    without_gc: Session
    with_gc: Session
    peers: Sequence[Session] = ()


class _Turns:
    """Lets `parties` environments begin each invocation at the same time; one that ended or is slow is not awaited."""

    def __init__(self, parties: int) -> None:
        self._barrier = asyncio.Barrier(parties)

    async def take(self) -> None:
        """Wait until all environments are ready."""
        with contextlib.suppress(TimeoutError, asyncio.BrokenBarrierError):
            async with asyncio.timeout(MOST_SECONDS_APART):
                await self._barrier.wait()


def _observation_level(experiment: Experiment, *, gc: bool) -> ObservationLevel:
    """Return what to observe in an environment: of the one with garbage collection, only connections are reported."""
    if not experiment.census:
        return "logs"
    return "connections" if gc else "all"
