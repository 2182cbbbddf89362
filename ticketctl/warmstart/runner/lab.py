"""The laboratory: takes experiments, gives reports."""

import asyncio
import contextlib
import os
import sys
import uuid
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from ticketctl.warmstart.child.ipc import Look
from ticketctl.warmstart.report.model import Report
from ticketctl.warmstart.report.verdict import build_report
from ticketctl.warmstart.runner.experiment import EnvironmentConfig, Experiment
from ticketctl.warmstart.runner.process import Kind, LaboratoryError, Process, Template, check, fresh
from ticketctl.warmstart.runner.ric import EnvironmentProcess, RicProcess
from ticketctl.warmstart.runner.runtime_api import RuntimeApi
from ticketctl.warmstart.runner.session import Session, run_session


class Laboratory:
    """Examines handlers in child processes; an async context manager.

    Args:
        python: the interpreter of experiments that name none; this one by default.
        preload: modules that one template process imports once; environments are forked from it. They must not
            read, while they are imported, what an experiment sets in the environment variables. Without any, and for
            experiments that name a path or an interpreter of their own, each environment is a fresh process.

    """

    def __init__(self, python: str | None = None, preload: Sequence[str] = ()) -> None:
        self._python = python or sys.executable
        self._preload = preload
        self._template: Template | None = None

    async def __aenter__(self) -> Self:
        if self._preload and hasattr(os, "fork"):
            self._template = Template(self._python, self._preload)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._template:
            await self._template.close()

    async def examine(self, experiment: Experiment) -> Report:
        """Run the experiment in two environments at once, garbage collector off and on, and judge what was seen.

        Raises LaboratoryError where no process can be had; whatever the handler does is in the report.
        """
        alone, with_gc = experiment.environments
        try:
            async with asyncio.TaskGroup() as both:
                off = both.create_task(self._run_session(experiment, alone, gc=False))
                on = both.create_task(self._run_session(experiment, with_gc, gc=True))
        except ExceptionGroup as problems:
            raise problems.exceptions[0] from None
        if experiment.python and off.result().results[0].process_end:
            await check(experiment.python)
        return build_report(experiment, off.result(), on.result())

    async def _run_session(self, experiment: Experiment, stage: EnvironmentConfig, *, gc: bool) -> Session:
        process, variables = await self._process(experiment, stage)
        if experiment.snapstart:
            variables = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}
        start = {
            "do": "start",
            "handler": experiment.handler,
            "path": str(experiment.path.resolve()) if experiment.path else None,
            "environment": {**stage.environment, **variables},
            "environment_id": uuid.uuid4().hex,
            "timeout": experiment.timeout,
            "gc": gc,
            "look": _look(experiment, gc=gc),
        }
        with contextlib.closing(process):
            try:
                return await run_session(process, experiment, stage, start)
            finally:
                await process.end()

    async def _process(
        self, experiment: Experiment, stage: EnvironmentConfig
    ) -> tuple[EnvironmentProcess, Mapping[str, str]]:
        """A process for one environment, and the variables that it needs for being one."""
        if experiment.runtime == "direct":
            return await self._start(experiment, stage, "environment"), {}
        api = RuntimeApi()
        address = await api.open()
        try:
            process = await self._start(experiment, stage, "ric_host")
        except LaboratoryError:
            await api.close()
            raise
        return RicProcess(process, api), {"AWS_LAMBDA_RUNTIME_API": address}

    async def _start(self, experiment: Experiment, stage: EnvironmentConfig, kind: Kind) -> Process:
        if self._template and not experiment.path and not experiment.python:
            return await self._template.fork(kind)
        return fresh(experiment.python or self._python, stage.environment, experiment.path, kind)


def _look(experiment: Experiment, *, gc: bool) -> Look:
    """Where to look in an environment: of the one that collects garbage only the connections are reported."""
    if not experiment.census:
        return "nowhere"
    return "connections" if gc else "everywhere"
