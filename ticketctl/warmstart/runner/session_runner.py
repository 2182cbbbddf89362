"""Requests to the process of an environment, and what becomes of their answers."""

import asyncio
import contextlib
import re
import signal
from typing import Any

from ticketctl.warmstart.child import hang_dump
from ticketctl.warmstart.child.ipc import Detail, Message, Observation, StartAnswer
from ticketctl.warmstart.report.leftovers import add_task_starts, locate_leftovers
from ticketctl.warmstart.report.snapstart import Snapshot
from ticketctl.warmstart.runner.experiment import Experiment
from ticketctl.warmstart.runner.invocation_result import (
    InvocationResult,
    failed_result,
    interpret,
    result_of_error,
)
from ticketctl.warmstart.runner.ric import EnvironmentProcess
from ticketctl.warmstart.runner.session_data import Session

FRAME = re.compile(r'^  File "(?P<file>[^"]+)", line (?P<line>\d+) in (?P<name>\S+)', re.MULTILINE)
"""One frame of the stacks that faulthandler prints."""
DUMP_TIME = 0.2
"""Seconds that a process which hangs has to print its suspended tasks, before it is ended."""
LIBRARY = re.compile(r"/(lib/python\d|site-packages/|warmstart/child/)|^<")
"""Files that are not the user's."""


class SessionRunner:
    """Sends requests to the child, and puts what it answers into the session."""

    def __init__(self, process: EnvironmentProcess, experiment: Experiment, session: Session) -> None:
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

    async def invoke(self, number: int, event: object, detail: Detail = "all") -> InvocationResult:
        """Invoke the handler once, and record what it left."""
        answer = await self._invoke(number, event, detail)
        if isinstance(answer, InvocationResult):
            return answer
        self._record(answer, number)
        for name, count in answer["counts"].items():
            self._session.counts.setdefault(name, []).append(count)
        self._session.holders = {
            **answer["holders"],
            "tasks": add_task_starts(answer["holders"].get("tasks", {}), answer["coroutines"]),
        }
        return interpret(number, event, answer)

    async def invoke_unobserved(self, number: int, event: object) -> InvocationResult:
        """Invoke the handler once; what it leaves is not examined."""
        answer = await self._invoke(number, event, "errors")
        return answer if isinstance(answer, InvocationResult) else interpret(number, event, answer)

    async def ask(self, request: Message) -> Any:
        """Send a request that belongs to no invocation; return None where there is no answer to it."""
        with contextlib.suppress(TimeoutError):
            return await self._process.ask_patiently(request, self._timeout)
        return None

    async def _invoke(self, number: int, event: object, detail: Detail) -> Any:
        request = {"command": "invoke", "event": event, "observe": detail}
        return await self._ask(request, number, "invocation")

    async def _ask(self, request: Message, number: int, what: str) -> Any:
        """Return the child's answer; an InvocationResult where the process ended or hung instead."""
        try:
            answer = await self._process.ask_patiently(request, self._timeout)
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
        self._session.tmp_writes |= observation["tmp_writes"]
