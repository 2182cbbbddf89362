"""Run the program: piped, and on a pseudo-terminal.

Most of a run's time is spent on imports. A run is therefore forked from a process that has imported the program
already, with its own arguments, environment, folder, input and output. `Program.run_in_new_process` starts from
scratch.
"""

import errno
import fcntl
import importlib
import json
import os
import pty
import re
import shlex
import signal
import struct
import subprocess
import sys
import termios
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, NoReturn

ROOT = Path(__file__).parents[1]
COMMAND = (sys.executable, "-m", "ticketctl")
STYLE = re.compile(r"\x1b\[[0-9;]*m")
"""Escape sequences for colours and weights."""
STREAMS = ("stdin", "stdout", "stderr")
MAX_SECONDS = 300
"""A run that lasts longer hangs, for example on a question that no test answers, and is ended by SIGALRM."""
IMPORTED = (
    "ticketctl.cli.app",
    "ticketctl.worker",
    "ticketctl.tickets.service",
    "ticketctl.ai.providers.factory",
    "rich.table",
)


class ProgramResult(NamedTuple):
    """Exit status and output of a run; on a terminal, `out` holds all output."""

    status: int
    out: str
    err: str = ""

    @property
    def json(self) -> Any:
        """The output, parsed as JSON."""
        return json.loads(self.out)


class ForkServer:
    """The process from which runs are forked."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path) -> None:
        assert process.stdin
        assert process.stdout
        self._requests, self._responses = process.stdin, process.stdout
        self.folder = folder

    def run(self, arguments: list[str], environment: dict[str, str], cwd: Path, files: dict[str, str]) -> int:
        """Fork the program with these files as its streams, wait for its end and return its exit status."""
        request = {"arguments": arguments, "environment": environment, "cwd": str(cwd), "files": files}
        self._requests.write(json.dumps(request) + "\n")
        self._requests.flush()
        return int(self._responses.readline())


@contextmanager
def start_fork_server() -> Iterator[ForkServer]:
    """Start a process that has imported the program."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with (
        TemporaryDirectory() as folder,
        subprocess.Popen(
            [sys.executable, __file__],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        yield ForkServer(process, Path(folder))


@dataclass(frozen=True)
class Program:
    """The program, with an environment and a working folder."""

    environment: dict[str, str]
    folder: Path
    fork_server: ForkServer

    def with_env(self, **variables: str) -> "Program":
        """Return the same program with more environment variables."""
        return replace(self, environment=self.environment | variables)

    def __call__(self, *arguments: str | bytes, stdin: str | bytes = b"") -> ProgramResult:
        """Run it with redirected input and output."""
        files = {name: self.fork_server.folder / name for name in STREAMS}
        files["stdin"].write_bytes(stdin.encode() if isinstance(stdin, str) else stdin)
        status = self._forked(arguments, {name: str(path) for name, path in files.items()})
        return ProgramResult(status, files["stdout"].read_text("utf-8"), files["stderr"].read_text("utf-8"))

    def run_in_new_process(self, *arguments: str | bytes, stdin: bytes = b"") -> ProgramResult:
        """Run it as a new process with piped input and output."""
        with self.popen(
            *arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as run:
            out, err = run.communicate(stdin)
        return ProgramResult(run.returncode, out.decode(), err.decode())

    def popen(self, *arguments: str | bytes, **options: Any) -> "subprocess.Popen[bytes]":
        """Start it as a new process and return that process."""
        return subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=self.folder,
            env=self.environment,
            preexec_fn=_reset_sigint,  # noqa: PLW1509 - it calls one C function
            **options,
        )

    def in_shell(self, line: str, stdin: bytes = b"") -> ProgramResult:
        """Run a shell line that begins with the program."""
        command = ["sh", "-c", f"{shlex.join(COMMAND)} {line}"]
        done = subprocess.run(
            command, input=stdin, capture_output=True, cwd=self.folder, env=self.environment, check=False
        )
        return ProgramResult(done.returncode, done.stdout.decode(), done.stderr.decode())

    def on_terminal(
        self, *arguments: str, width: int = 100, stdin: str | None = None, keys: str = ""
    ) -> ProgramResult:
        """Run it on a pseudo-terminal: output, errors, and input unless `stdin` names a file.

        `keys` are typed before the program reads, and not echoed.
        """
        screen, line = pty.openpty()
        if keys:
            attributes = termios.tcgetattr(line)
            attributes[3] &= ~termios.ECHO
            termios.tcsetattr(line, termios.TCSANOW, attributes)
            os.write(screen, keys.encode())
        fcntl.ioctl(line, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
        files = dict.fromkeys(STREAMS, os.ttyname(line)) | ({} if stdin is None else {"stdin": stdin})
        with ThreadPoolExecutor(1) as reader:
            output = reader.submit(_read_all, screen)
            status = self.with_env(TERM="xterm-256color")._forked(arguments, files)
            os.close(line)
            text = output.result().decode().replace("\r\n", "\n")
        os.close(screen)
        return ProgramResult(status, text)

    def type_on_terminal(self, *arguments: str, keys: str, width: int = 100) -> ProgramResult:
        """Run it on a pseudo-terminal on which these keys were typed already."""
        screen, line = pty.openpty()
        os.write(screen, keys.encode())
        user = self.with_env(TERM="xterm-256color", COLUMNS=str(width))
        with user.popen(*arguments, stdin=line, stdout=line, stderr=line) as process:
            os.close(line)
            text = _read_all(screen).decode().replace("\r\n", "\n")
        os.close(screen)
        return ProgramResult(process.returncode, text)

    def _forked(self, arguments: tuple[str | bytes, ...], files: dict[str, str]) -> int:
        return self.fork_server.run([os.fsdecode(a) for a in arguments], self.environment, self.folder, files)


def _reset_sigint() -> None:
    """Undo what a shell does for a command in the background: it ignores SIGINT, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _read_all(screen: int) -> bytes:
    """Read until no process has the terminal open."""
    output = b""
    while True:
        try:
            part = os.read(screen, 65_536)
        except OSError as error:  # Linux raises this at the end, other systems return nothing
            if error.errno != errno.EIO:
                raise
            return output
        if not part:
            return output
        output += part


def _become_program(
    arguments: list[str], environment: dict[str, str], cwd: str, files: dict[str, str]
) -> NoReturn:
    signal.alarm(MAX_SECONDS)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    for number, name in enumerate(STREAMS):
        descriptor = os.open(
            files[name], os.O_RDWR | os.O_CREAT | os.O_NOCTTY | (os.O_TRUNC if number else 0)
        )
        os.dup2(descriptor, number)
        os.close(descriptor)
        setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8"))
    sys.argv = ["ticketctl", *arguments]
    from ticketctl.__main__ import main

    status: object = 1
    try:
        main()
    except SystemExit as end:
        status = end.code
    except BaseException:  # noqa: BLE001 - as Python itself ends a program
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status if isinstance(status, int) else 0)


def _serve() -> None:
    for name in IMPORTED:
        importlib.import_module(name)
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            _become_program(**request)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve()
