"""Child processes in which handlers run: forked from a fork server, or started afresh."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Literal

from ticketctl.warmstart.child.child_processes import MARKER
from ticketctl.warmstart.child.ipc import Message
from ticketctl.warmstart.runner.cpu_timeout import CpuTimeout
from ticketctl.warmstart.runner.ipc import Channel

BOOTSTRAP = Path(__file__).parents[1] / "child" / "bootstrap.py"
TAIL_BYTES = 4000
"""How much of a child's output a report of its death quotes at most."""
EntryPoint = Literal["environment", "ric_host"]
"""The module that calls the handler: by itself, or through AWS's runtime client."""
VERSION_CHECK = "import sys; print(sys.version_info >= (3, 11))"
GRACE_PERIOD = 1.0
"""Seconds after its channel closed that a child has to end before it is killed."""
POLL_INTERVAL = 0.001


class LaboratoryError(Exception):
    """The laboratory itself failed: an interpreter cannot be started, or the fork server died."""


class ChildProcess:
    """The process of one execution environment. `reap` waits for its end, and returns its status as os does."""

    def __init__(
        self, pid: int, end: socket.socket, output: BinaryIO | None, reap: Callable[[], Awaitable[int]]
    ) -> None:
        self.pid = pid
        self._channel = Channel(end)
        self._output = output
        self._reap = reap
        self._status: int | None = None

    def is_alive(self) -> bool:
        """Whether the process has not ended, as far as its end of the channel tells."""
        return self._status is None and not self._channel.is_closed()

    async def ask(self, request: Message, timeout: float) -> Any:  # noqa: ASYNC109 the caller's bound for one answer
        """Return the answer, or None where the process died. Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            return await self._channel.ask(request)

    async def ask_patiently(self, request: Message, timeout: float) -> Any:  # noqa: ASYNC109 as above
        """As `ask`; time in which the process waits for a CPU does not count."""
        cpu_timeout = CpuTimeout(self.pid, timeout)
        asking = asyncio.create_task(self._channel.ask(request))
        try:
            while not asking.done():
                remaining = cpu_timeout.remaining()
                if remaining <= 0:
                    raise TimeoutError
                await asyncio.wait({asking}, timeout=remaining)
            return asking.result()
        finally:
            asking.cancel()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, unless the process has ended."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    async def end(self) -> int:
        """End the process and what it started; return its exit status, negative for a signal's number."""
        if self._status is None:
            self._channel.close()
            self._status = await self._reap()
        return self._status

    def tail(self) -> str:
        """Return the end of what the process wrote on standard output and error, if that is captured."""
        if self._output is None:
            return ""
        self._output.seek(max(0, self._output.seek(0, os.SEEK_END) - TAIL_BYTES))
        return self._output.read().decode(errors="replace").strip()

    def close(self) -> None:
        """Discard the captured output."""
        if self._output is not None:
            self._output.close()


class ForkServer:
    """A process that has imported `preload`, and forks environments. Raises LaboratoryError."""

    def __init__(self, python: str, preload: Sequence[str]) -> None:
        self._process, end = _start(python, "fork_server", preload, output=subprocess.DEVNULL)
        self._channel = Channel(end)
        self._turn = asyncio.Lock()

    async def fork(self, entry_point: EntryPoint = "environment") -> ChildProcess:
        """Return a new environment. Raises LaboratoryError where the fork server has died."""
        with contextlib.ExitStack() as undo:
            ours, theirs = (undo.enter_context(end) for end in socket.socketpair())
            output = undo.enter_context(tempfile.TemporaryFile())
            request = {"command": "fork", "kind": entry_point}
            pid = (await self._ask(request, (theirs.fileno(), output.fileno())))["pid"]
            undo.pop_all()
        theirs.close()

        async def reap() -> int:
            status: int = (await self._ask({"command": "reap", "pid": pid}))["status"]
            return status

        return ChildProcess(pid, ours, output, reap)

    async def _ask(self, request: Message, descriptors: tuple[int, ...] = ()) -> Message:
        async with self._turn:
            exchange = asyncio.create_task(self._channel.ask(request, descriptors))
            try:
                answer: Message | None = await asyncio.shield(exchange)
            finally:
                # after a cancellation, too: the next caller would take an answer left in the channel for its own
                await asyncio.wait({exchange})
        if answer is None:
            raise LaboratoryError("the process that forks the environments has died")
        return answer

    async def close(self) -> None:
        """End the fork server and every environment that it forked."""
        self._channel.close()
        await wait_for_exit(self._process)


def start_captured(
    python: str, environment: Mapping[str, str], folder: Path | None, entry_point: EntryPoint = "environment"
) -> ChildProcess:
    """Start an environment whose output is captured. Raises LaboratoryError where it cannot be started."""
    with contextlib.ExitStack() as undo:
        output = undo.enter_context(tempfile.TemporaryFile())
        variables = {**os.environ, **environment}
        process, end = _start(python, entry_point, (), output=output, env=variables, cwd=folder)
        undo.pop_all()
    return ChildProcess(process.pid, end, output, lambda: wait_for_exit(process))


def start_attached(python: str, environment: Mapping[str, str], output: int) -> ChildProcess:
    """Start an environment that writes to the descriptor `output`. Raises LaboratoryError where it cannot be started."""
    process, end = _start(python, "environment", (), output=output, env={**os.environ, **environment})
    return ChildProcess(process.pid, end, None, lambda: wait_for_exit(process))


async def check_interpreter(python: str) -> None:
    """Raise LaboratoryError where the interpreter is too old, or is not a Python at all."""
    process = await asyncio.create_subprocess_exec(
        *(python, "-P", "-c", VERSION_CHECK),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    output, _ = await process.communicate()
    if output.strip() != b"True":
        raise LaboratoryError(f"{python} is no Python of 3.11 or newer")


def _start(
    python: str,
    kind: str,
    preload: Sequence[str],
    *,
    output: BinaryIO | int,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start a child process; return it and the laboratory's end of its channel."""
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            process = subprocess.Popen(  # noqa: S603 the user names the interpreter
                # -P keeps the folder of bootstrap.py off sys.path
                [python, "-P", str(BOOTSTRAP), kind, str(theirs.fileno()), *preload],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=env,
                cwd=cwd,
                start_new_session=True,
            )
        except OSError as problem:
            ours.close()
            raise LaboratoryError(f"{python} cannot be started: {problem}") from problem
    return process, ours


def kill_marked_processes(environment_id: str) -> None:
    """Kill what an environment started and what has left its process group: it still has the marker (Linux)."""
    marker = f"{MARKER}={environment_id}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if marker in (folder / "environ").read_bytes().split(b"\0"):
                os.kill(int(folder.name), signal.SIGKILL)


async def wait_for_exit(process: subprocess.Popen[bytes]) -> int:
    """Wait for the process to end, then kill it; kill what it started, too. Return its exit status.

    A cancelled wait kills them at once.
    """
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE_PERIOD):
                while process.poll() is None:  # noqa: ASYNC110 a process's end raises no event on every platform
                    await asyncio.sleep(POLL_INTERVAL)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        status = process.wait()
    return status
