"""Execution environments on this machine: processes that live on, and are warm, from invocation to invocation."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

FUNCTION_NAME = "ticketctl-worker"
INIT_TIMEOUT = 60.0
"""Seconds that an environment may take to import its handler."""
GRACE = 1.0
"""Seconds beyond an invocation's time after which its process is killed."""
_LINE_LIMIT = 64 * 1024 * 1024
"""Bytes of one answer at most; ten messages of SQS's largest size fit many times."""


class EnvironmentFailedError(Exception):
    """The handler raised, or did not end in time, or its process died: nothing is known of its batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """What runs in an environment: `handler` is `module:function`, `variables` are set for it alone.

    `meter` is `module:function` too: it answers what the process has spent so far, None where nobody can know.
    """

    handler: str
    variables: Mapping[str, str]
    quiet: bool = False
    meter: str | None = None


class Environment:
    """One execution environment. Its process is started when it is needed, and replaced when it is gone."""

    def __init__(self, function: Function) -> None:
        self._function = function
        self._process: asyncio.subprocess.Process | None = None
        self._spent_before: float | None = 0.0
        self._spent: float | None = 0.0
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    @property
    def pid(self) -> int | None:
        """The number of the process, None while there is none."""
        return None if self._process is None else self._process.pid

    @property
    def spent(self) -> float | None:
        """What its processes said that they spent; None where one of them could not tell."""
        if self._spent_before is None or self._spent is None:
            return None
        return self._spent_before + self._spent

    async def start(self) -> bool:
        """Have a process that is ready; True where it is a new one.

        Raises:
            EnvironmentFailedError: The handler cannot be imported, or its process died doing it.
        """
        if self._process is not None and self._process.returncode is None:
            return False
        await self.stop()
        try:
            await self._launch()
            answer = await self._read(INIT_TIMEOUT)
        except EnvironmentFailedError:
            await self.stop()
            raise
        if "ready" not in answer:
            await self.stop()
            raise EnvironmentFailedError(f"the handler cannot be imported: {_told(answer)}")
        return True

    async def invoke(self, event: Mapping[str, Any], seconds: float) -> Any:
        """Call the handler, which may take that many seconds, and answer what it returned.

        Raises:
            EnvironmentFailedError: Why there is no answer. A process that is late is ended.
        """
        order = {"event": event, "seconds": seconds, "request_id": str(uuid4())}
        self._writer.write(json.dumps(order).encode() + b"\n")
        try:
            answer = await self._read(seconds + GRACE)
        except EnvironmentFailedError:
            await self.stop()
            raise
        self._spent = answer.get("spent", 0.0)
        if "response" not in answer:
            raise EnvironmentFailedError(f"the handler raised {_told(answer)}")
        return answer["response"]

    async def stop(self) -> None:
        """End the process, whatever it does."""
        if self._process is None:
            return
        self._writer.close()
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        self._process = None
        self._spent_before, self._spent = self.spent, 0.0

    async def _launch(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._reader, self._writer = await asyncio.open_connection(sock=ours, limit=_LINE_LIMIT)
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-P", "-m", "ticketctl.queues.bootstrap", self._function.handler, str(theirs.fileno())),
                *filter(None, [self._function.meter]),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL if self._function.quiet else sys.stderr.fileno(),
                stderr=subprocess.DEVNULL if self._function.quiet else None,
                env=_variables(self._function),
                start_new_session=True,
            )

    async def _read(self, seconds: float) -> dict[str, Any]:
        try:
            async with asyncio.timeout(seconds):
                line = await self._reader.readline()
        except TimeoutError:
            raise EnvironmentFailedError(f"the handler did not end within {seconds:.1f} s") from None
        except (OSError, ValueError) as error:
            raise EnvironmentFailedError(f"the handler's answer was lost: {error}") from error
        if not line.endswith(b"\n"):
            raise EnvironmentFailedError(f"the process {self.pid} died")
        answer: dict[str, Any] = json.loads(line)
        return answer


def _variables(function: Function) -> dict[str, str]:
    """Our own variables and module path, Lambda's mark of a function's environment, and the function's own."""
    ours = {
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "AWS_LAMBDA_FUNCTION_NAME": FUNCTION_NAME,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    }
    return {**os.environ, **ours, **function.variables}


def _told(answer: Mapping[str, Any]) -> str:
    return f"{answer.get('error_type')}: {answer.get('error')}"
