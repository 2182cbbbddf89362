"""Processes to examine handlers in: forked from a warm template, or started afresh."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Literal

from ticketctl.warmstart.child.ipc import Message
from ticketctl.warmstart.runner.ipc import Channel

BOOT = Path(__file__).parents[1] / "child" / "bootstrap.py"
TAIL = 4000
"""Bytes of a child's output that are kept for the report of its death."""
Kind = Literal["environment", "ric_host"]
"""How a child calls the handler: by itself, or through AWS's runtime client."""
PROBE = "import sys; print(sys.version_info >= (3, 11))"
GRACE = 1.0
"""Seconds that a child has to end after its channel closed, before it is killed."""


class LaboratoryError(Exception):
    """The laboratory itself failed: an interpreter that cannot be started, or a template that died."""


class Process:
    """One execution environment's process. `reap` waits for its end, and tells its status as os does."""

    def __init__(
        self, pid: int, end: socket.socket, output: BinaryIO, reap: Callable[[], Awaitable[int]]
    ) -> None:
        self._pid = pid
        self._channel = Channel(end)
        self._output = output
        self._reap = reap
        self._status: int | None = None

    async def ask(self, order: Message, seconds: float) -> Message | None:
        """Return the answer, or None where the process died. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            return await self._channel.ask(order)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal. A process that is gone already is not looked for."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, number)

    async def end(self) -> int:
        """End the process and what it started; return its exit status, negative for a signal's number."""
        if self._status is None:
            self._channel.close()
            self._status = await self._reap()
        return self._status

    def tail(self) -> str:
        """Return the end of what the process wrote on standard output and error."""
        self._output.seek(max(0, self._output.seek(0, os.SEEK_END) - TAIL))
        return self._output.read().decode(errors="replace").strip()

    def close(self) -> None:
        """Forget the output."""
        self._output.close()


class Template:
    """A process that has imported `preload`, and forks environments. Raises LaboratoryError."""

    def __init__(self, python: str, preload: Sequence[str]) -> None:
        self._process, ours = _start(python, "fork_server", preload, stdout=subprocess.DEVNULL)
        self._channel = Channel(ours)
        self._turn = asyncio.Lock()

    async def fork(self, kind: Kind = "environment") -> Process:
        """Return a new environment. Raises LaboratoryError where the template is dead."""
        with contextlib.ExitStack() as undo:
            ours, theirs = (undo.enter_context(end) for end in socket.socketpair())
            output = undo.enter_context(tempfile.TemporaryFile())
            pid = (await self._ask({"do": "fork", "kind": kind}, (theirs.fileno(), output.fileno())))["pid"]
            undo.pop_all()
        theirs.close()

        async def reap() -> int:
            status: int = (await self._ask({"do": "reap", "pid": pid}))["status"]
            return status

        return Process(pid, ours, output, reap)

    async def _ask(self, order: Message, descriptors: tuple[int, ...] = ()) -> Message:
        async with self._turn:
            answer = await self._channel.ask(order, descriptors)
        if answer is None:
            raise LaboratoryError("the process that forks the environments has died")
        return answer

    async def close(self) -> None:
        """End the template and every environment that it forked."""
        self._channel.close()
        await _wait(self._process)


def fresh(
    python: str, environment: Mapping[str, str], folder: Path | None, kind: Kind = "environment"
) -> Process:
    """Start an environment in an interpreter of its own. Raises LaboratoryError where it cannot be started."""
    with contextlib.ExitStack() as undo:
        output = undo.enter_context(tempfile.TemporaryFile())
        process, ours = _start(python, kind, (), stdout=output, env={**os.environ, **environment}, cwd=folder)
        undo.pop_all()
    return Process(process.pid, ours, output, lambda: _wait(process))


async def check(python: str) -> None:
    """Raise LaboratoryError where the interpreter is too old, or none at all."""
    process = await asyncio.create_subprocess_exec(
        python, "-P", "-c", PROBE, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    said, _ = await process.communicate()
    if said.strip() != b"True":
        raise LaboratoryError(f"{python} is no Python of 3.11 or newer")


def _start(
    python: str,
    kind: str,
    preload: Sequence[str],
    *,
    stdout: BinaryIO | int,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start a child; return it and our end of its channel."""
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            process = subprocess.Popen(  # noqa: S603 the interpreter is the caller's choice
                # -P keeps the folder of the child's start off sys.path
                [python, "-P", str(BOOT), kind, str(theirs.fileno()), *preload],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stdout,
                env=env,
                cwd=cwd,
                start_new_session=True,
            )
        except OSError as problem:
            ours.close()
            raise LaboratoryError(f"{python} cannot be started: {problem}") from problem
    return process, ours


async def _wait(process: subprocess.Popen[bytes]) -> int:
    """Give the process time to end by itself, then end it; whatever it started ends with it."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GRACE):
            while process.poll() is None:  # noqa: ASYNC110 a process's end raises no event on every platform
                await asyncio.sleep(0.001)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait()
