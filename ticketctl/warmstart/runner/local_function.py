"""A Lambda function on this machine: a handler in an execution environment that stays warm between invocations."""

import asyncio
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Mapping
from typing import Any

from ticketctl.warmstart.child.ipc import ErrorInfo, InvocationAnswer, Message, StartAnswer
from ticketctl.warmstart.runner.process import ChildProcess, LaboratoryError, start_attached

INIT_TIMEOUT = 60.0
"""Seconds that the import of the handler may take."""
GRACE_PERIOD = 1.0
"""Seconds after an invocation's timeout at which its process is killed."""
SHUTDOWN_PERIOD = 0.5
"""Seconds between SIGTERM and the end of a process."""
POLL_INTERVAL = 0.01  # seconds
ENDS_PROCESS = ("SystemExit", "KeyboardInterrupt")
"""Exceptions that end an execution environment on Lambda."""


class InvocationFailedError(Exception):
    """The handler raised, did not end in time, or its process died: whether its work was done is not known."""


class LocalFunction:
    """One execution environment at a time. Its process is started on demand, and replaced after it ended.

    Args:
        handler: "module:function", found on this process's sys.path.
        name: the function's name on Lambda.
        environment: variables that are set for the handler, besides this process's own and Lambda's.
        is_quiet: discard what the handler prints; otherwise it goes to stderr.
        meter: "module:function" whose JSON value is read after each invocation.
    """

    def __init__(
        self,
        handler: str,
        *,
        name: str,
        environment: Mapping[str, str],
        is_quiet: bool = False,
        meter: str | None = None,
    ) -> None:
        self._handler = handler
        self._name = name
        self._environment = environment
        self._output = subprocess.DEVNULL if is_quiet else sys.stderr.fileno()
        self._meter = meter
        self._process: ChildProcess | None = None
        self._earlier_readings: list[Any] = []
        self._reading: Any = None

    @property
    def pid(self) -> int | None:
        """The id of the process; None while there is none."""
        return None if self._process is None else self._process.pid

    @property
    def readings(self) -> list[Any]:
        """The last value of the meter in each process so far; processes that finished no invocation have none."""
        return [*self._earlier_readings, *([] if self._reading is None else [self._reading])]

    async def start(self) -> bool:
        """Start a process unless one is alive; return whether a new one was started.

        Raises:
            InvocationFailedError: The handler cannot be imported, or its process died during the import.
        """
        if self._process is not None and self._process.is_alive():
            return False
        await self._kill()
        try:
            self._process = start_attached(
                sys.executable, {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}, self._output
            )
            answer: StartAnswer = await self._ask(self._start_request(), INIT_TIMEOUT)
        except (InvocationFailedError, LaboratoryError) as error:
            await self._kill()
            raise InvocationFailedError(str(error)) from error
        if answer["error"]:
            await self._kill()
            raise InvocationFailedError(f"the handler cannot be imported: {_format(answer['error'])}")
        return True

    async def invoke(self, event: Mapping[str, Any], timeout: float) -> Any:  # noqa: ASYNC109 Lambda's term
        """Return the handler's response to an event. `timeout` is in seconds; later, the process is killed.

        Raises:
            InvocationFailedError: There is no response; the message says why.
        """
        request = {"command": "invoke", "event": event, "timeout": timeout, "observe": "errors"}
        try:
            answer: InvocationAnswer = await self._ask(request, timeout + GRACE_PERIOD)
        except InvocationFailedError:
            await self._kill()
            raise
        self._reading = answer["meter"]
        if error := answer["error"]:
            if error["error_type"] in ENDS_PROCESS:
                await self._kill()
            raise InvocationFailedError(f"the handler raised {_format(error)}")
        return answer["response"]

    async def stop(self) -> None:
        """End the process as Lambda does: it gets SIGTERM, and is killed SHUTDOWN_PERIOD seconds later."""
        if self._process is None:
            return
        self._process.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(SHUTDOWN_PERIOD):
                while self._process.is_alive():  # noqa: ASYNC110 - a process's end raises no event on every platform
                    await asyncio.sleep(POLL_INTERVAL)
        except TimeoutError:
            pass
        finally:
            await self._kill()

    async def _kill(self) -> None:
        if self._process is None:
            return
        self._process.signal(signal.SIGKILL)
        await self._process.end()
        self._process = None
        self._earlier_readings, self._reading = self.readings, None

    def _start_request(self) -> Message:
        return {
            "command": "start",
            "function_name": self._name,
            "handler": self._handler,
            "meter": self._meter,
            "path": None,
            "environment": dict(self._environment),
            "environment_id": uuid.uuid4().hex,
            "timeout": INIT_TIMEOUT,
            "gc": True,
            "observe": "none",
        }

    async def _ask(self, request: Message, timeout: float) -> Any:  # noqa: ASYNC109 as `invoke`
        if self._process is None:
            raise InvocationFailedError("the function is not started")
        try:
            answer = await self._process.ask(request, timeout)
        except TimeoutError:
            raise InvocationFailedError(f"the handler did not end within {timeout:.1f} s") from None
        if answer is None:
            raise InvocationFailedError(f"the process {self.pid} died")
        return answer


def _format(error: ErrorInfo) -> str:
    return f"{error['error_type']}: {error['error']}"
