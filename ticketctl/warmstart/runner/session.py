"""One environment's session: import, invocations, freeze and thaw."""

import asyncio
import contextlib
import re
import signal
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from ticketctl.warmstart.child import hang_dump
from ticketctl.warmstart.child.ipc import LifecycleEvent, Message, Observation, StartAnswer
from ticketctl.warmstart.report.leftovers import locate_leftovers
from ticketctl.warmstart.report.model import Leftover
from ticketctl.warmstart.report.snapstart import Snapshot
from ticketctl.warmstart.runner.experiment import ConnectionMonitor, EnvironmentConfig, Experiment, Freeze
from ticketctl.warmstart.runner.invocation_result import (
    InvocationResult,
    failed_result,
    interpret,
    result_of_error,
)
from ticketctl.warmstart.runner.wait import wait_for_closed_connections

if TYPE_CHECKING:
    from ticketctl.warmstart.runner.ric import EnvironmentProcess

FRAME = re.compile(r'^  File "(?P<file>[^"]+)", line (?P<line>\d+) in (?P<name>\S+)', re.MULTILINE)
"""One frame of the stacks that faulthandler prints."""
DUMP_TIME = 0.2
"""Seconds that a process which hangs has to print its suspended tasks, before it is ended."""
LIBRARY = re.compile(r"/(lib/python\d|site-packages/|warmstart/child/)|^<")
"""Files that are not the user's."""


@dataclass(slots=True, kw_only=True)
class Session:
    """What was observed of one environment.

    results: of the invocations before the freeze; thaw: of the one after it.
    counts: after each invocation: "connections" (sockets of the process), "descriptors", "loops", "threads".
    holders: for each of the counts, what the last invocation left, in words, and how often.
    backends: the environment's connections according to the server, after each invocation.
    lifecycle_events: one for the import, and one for each invocation.
    snapshot: what a SnapStart snapshot contained, where one was requested.
    """

    results: list[InvocationResult] = field(default_factory=list)
    thaw: InvocationResult | None = None
    leftovers: list[Leftover] = field(default_factory=list)
    counts: dict[str, list[int]] = field(default_factory=dict)
    holders: dict[str, dict[str, int]] = field(default_factory=dict)
    backends: list[int] = field(default_factory=list)
    lifecycle_events: list[LifecycleEvent] = field(default_factory=list)
    snapshot: Snapshot = field(default_factory=Snapshot)

    @property
    def sockets(self) -> list[int]:
        """The connections of the process after each invocation."""
        return self.counts.get("connections", [])

    @property
    def connections(self) -> list[int]:
        """The larger of sockets and backends, after each invocation."""
        return [max(pair) for pair in zip_longest(self.sockets, self.backends, fillvalue=0)]


async def run_session(
    process: "EnvironmentProcess", experiment: Experiment, config: EnvironmentConfig, start: Message
) -> Session:
    """Run the experiment in one environment. Only the one without garbage collection is frozen."""
    session = Session()
    runner = _SessionRunner(process, experiment, session)
    if not await runner.start(start) or (experiment.snapstart and not await runner.restore()):
        return session
    for number in range(1, experiment.times + 1):
        result = await runner.invoke(number, _event(config, number))
        session.results.append(result)
        if result.process_end:
            return session
        if config.server:
            at_most = session.sockets[-1] if session.sockets else 0
            session.backends.append(await wait_for_closed_connections(config.server, at_most=at_most))
        if config.observer:
            await config.observer(result.invocation)
    if experiment.thaw and not start["gc"] and (config.server or experiment.freeze):
        await _freeze(process, runner, experiment.freeze, config.server)
        number = experiment.times + 1
        session.thaw = await runner.invoke_after_thaw(number, _event(config, number))
    return session


def _event(config: EnvironmentConfig, number: int) -> object:
    return config.events[(number - 1) % len(config.events)]


async def _freeze(
    process: "EnvironmentProcess",
    runner: "_SessionRunner",
    freeze: Freeze | None,
    server: ConnectionMonitor | None,
) -> None:
    """Break the connections while the process is stopped, as happens to environments between invocations."""
    if freeze:
        await runner.cut(silently=freeze == "silent")
    process.signal(signal.SIGSTOP)
    try:
        if server and not freeze:
            await server.disconnect()
    finally:
        process.signal(signal.SIGCONT)


class _SessionRunner:
    """Sends requests to the child, and puts what it answers into the session."""

    def __init__(self, process: "EnvironmentProcess", experiment: Experiment, session: Session) -> None:
        self._process = process
        self._timeout = experiment.timeout
        self._base = f"{experiment.path.resolve()}/" if experiment.path else ""
        self._session = session

    async def start(self, request: Message) -> bool:
        """Import the handler. Where that fails, record it as the first invocation's result, and return False."""
        answer = await self._ask(request, 1, "import")
        if isinstance(answer, InvocationResult):
            self._session.results.append(answer)
            return False
        self._record(answer, 0)
        return not self._record_error(answer, "import")

    async def restore(self) -> bool:
        """Take a snapshot and restore it. Where a hook fails, record it as `start` does, and return False."""
        taken = await self._ask({"command": "snapshot"}, 1, "hooks before the snapshot")
        if self._record_error(taken):
            return False
        self._process.signal(signal.SIGSTOP)
        self._process.signal(signal.SIGCONT)
        restored = await self._ask({"command": "restore"}, 1, "hooks after the restore")
        if self._record_error(restored):
            return False
        self._session.snapshot = Snapshot(taken["held"], taken["values"], restored["values"])
        return True

    def _record_error(self, answer: Any, process_end: str | None = None) -> bool:
        """Whether there is no answer, or one with an error, which becomes the first invocation's result."""
        if isinstance(answer, InvocationResult):
            self._session.results.append(answer)
            return True
        start: StartAnswer = answer
        if start["error"]:
            self._session.results.append(result_of_error(1, start["error"], process_end))
        return start["error"] is not None

    async def invoke(self, number: int, event: object) -> InvocationResult:
        """Invoke the handler once, and record what it left."""
        answer = await self._invoke(number, event, observe=True)
        if isinstance(answer, InvocationResult):
            return answer
        self._record(answer, number)
        for name, count in answer["counts"].items():
            self._session.counts.setdefault(name, []).append(count)
        self._session.holders = answer["holders"]
        return interpret(number, event, answer)

    async def invoke_after_thaw(self, number: int, event: object) -> InvocationResult:
        """Invoke the handler once; what it leaves is not examined."""
        answer = await self._invoke(number, event, observe=False)
        return answer if isinstance(answer, InvocationResult) else interpret(number, event, answer)

    async def _invoke(self, number: int, event: object, *, observe: bool) -> Any:
        request = {"command": "invoke", "event": event, "observe": observe}
        return await self._ask(request, number, "invocation")

    async def cut(self, *, silently: bool) -> None:
        """Break the process's connections from inside."""
        with contextlib.suppress(TimeoutError):
            await self._process.ask({"command": "cut", "silently": silently}, self._timeout)

    async def _ask(self, request: Message, number: int, what: str) -> Any:
        """Return the child's answer; an InvocationResult where the process ended or hung instead."""
        try:
            answer = await self._process.ask(request, self._timeout)
        except TimeoutError:
            return await self._end_hung(number, what)
        if answer is not None:
            return answer
        status = await self._process.end()
        if status < 0:
            text = f"the process was ended by {signal.Signals(-status).name} during the {what}"
            return self._ended(number, text, "crash")
        return self._ended(number, f"the process ended with status {status} during the {what}", "exit")

    async def _end_hung(self, number: int, what: str) -> InvocationResult:
        self._process.signal(hang_dump.SIGNAL)
        await asyncio.sleep(DUMP_TIME)
        self._process.signal(signal.SIGABRT)  # faulthandler prints the stacks of all threads
        await self._process.end()
        return self._ended(number, f"the {what} did not end within {self._timeout:g} s", "hang")

    def _ended(self, number: int, text: str, process_end: str) -> InvocationResult:
        tail = self._process.tail()
        # Lambda's own error types
        error_type = "Sandbox.Timedout" if process_end == "hang" else "Runtime.ExitError"
        return failed_result(
            number,
            error_type,
            f"{text}\n{tail}" if tail else text,
            raised_at=self._find_users_line(tail),
            process_end=process_end,
        )

    def _find_users_line(self, dump: str) -> str | None:
        """Return the innermost line in faulthandler's stacks that is neither Python's nor an installed package's."""
        for frame in FRAME.finditer(dump):
            if not LIBRARY.search(frame["file"]):
                return f"{frame['file'].removeprefix(self._base)}:{frame['line']}"
        return None

    def _record(self, observation: Observation, number: int) -> None:
        if event := observation["lifecycle"]:
            self._session.lifecycle_events.append(event)
        self._session.leftovers += locate_leftovers(observation["leftovers"], number)
