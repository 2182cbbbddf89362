"""Running the program: piped, and on what looks to it like a terminal.

Importing is most of what a run costs. So a run is forked from a process that has imported the program already,
with its own arguments, environment, folder, input and output; `Program.started` is the same from scratch.
"""

import errno
import fcntl
import importlib
import json
import os
import pty
import re
import shlex
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
"""What colours and weights a terminal's text."""
STREAMS = ("stdin", "stdout", "stderr")
IMPORTED = (
    "ticketctl.cli.app",
    "ticketctl.worker",
    "ticketctl.tickets.service",
    "ticketctl.ai.providers.factory",
    "rich.table",
)


class Done(NamedTuple):
    """How a run ended, and what it printed; on a terminal all is in `out`."""

    status: int
    out: str
    err: str = ""

    @property
    def json(self) -> Any:
        """What was printed, read as JSON."""
        return json.loads(self.out)


class Forks:
    """The process that runs are forked from."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path) -> None:
        assert process.stdin
        assert process.stdout
        self._asks, self._answers = process.stdin, process.stdout
        self.folder = folder

    def run(self, arguments: list[str], environment: dict[str, str], cwd: Path, files: dict[str, str]) -> int:
        """Fork the program with these files as its streams, and answer its status when it has ended."""
        asked = {"arguments": arguments, "environment": environment, "cwd": str(cwd), "files": files}
        self._asks.write(json.dumps(asked) + "\n")
        self._asks.flush()
        return int(self._answers.readline())


@contextmanager
def forks() -> Iterator[Forks]:
    """Import the program in a process of its own."""
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
        yield Forks(process, Path(folder))


@dataclass(frozen=True)
class Program:
    """The program in an environment and a folder."""

    environment: dict[str, str]
    folder: Path
    forks: Forks

    def having(self, **variables: str) -> "Program":
        """The same with further environment variables."""
        return replace(self, environment=self.environment | variables)

    def __call__(self, *arguments: str | bytes, stdin: str | bytes = b"") -> Done:
        """Run it with input and output redirected."""
        files = {name: self.forks.folder / name for name in STREAMS}
        files["stdin"].write_bytes(stdin.encode() if isinstance(stdin, str) else stdin)
        status = self._forked(arguments, {name: str(path) for name, path in files.items()})
        return Done(status, files["stdout"].read_text("utf-8"), files["stderr"].read_text("utf-8"))

    def started(self, *arguments: str | bytes, stdin: bytes = b"") -> Done:
        """Run it as a new process, its input and output piped."""
        with self.popen(
            *arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as run:
            out, err = run.communicate(stdin)
        return Done(run.returncode, out.decode(), err.decode())

    def popen(self, *arguments: str | bytes, **options: Any) -> "subprocess.Popen[bytes]":
        """Start it as a new process, and let the test do the rest."""
        return subprocess.Popen([*COMMAND, *arguments], cwd=self.folder, env=self.environment, **options)

    def in_shell(self, line: str, stdin: bytes = b"") -> Done:
        """Run a line of shell that begins with the program."""
        command = ["sh", "-c", f"{shlex.join(COMMAND)} {line}"]
        done = subprocess.run(
            command, input=stdin, capture_output=True, cwd=self.folder, env=self.environment, check=False
        )
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    def on_terminal(self, *arguments: str, width: int = 100, stdin: str | None = None) -> Done:
        """Run it on a terminal of its own: its input, unless that is a file, its output and its errors."""
        screen, line = pty.openpty()
        fcntl.ioctl(line, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
        files = dict.fromkeys(STREAMS, os.ttyname(line)) | ({} if stdin is None else {"stdin": stdin})
        with ThreadPoolExecutor(1) as reader:
            shown = reader.submit(_everything, screen)
            status = self.having(TERM="xterm-256color")._forked(arguments, files)
            os.close(line)
            text = shown.result().decode().replace("\r\n", "\n")
        os.close(screen)
        return Done(status, text)

    def _forked(self, arguments: tuple[str | bytes, ...], files: dict[str, str]) -> int:
        return self.forks.run([os.fsdecode(a) for a in arguments], self.environment, self.folder, files)


def _everything(screen: int) -> bytes:
    """Read until everybody has left the terminal."""
    shown = b""
    while True:
        try:
            part = os.read(screen, 65_536)
        except OSError as error:  # Linux says so, other systems answer with nothing
            if error.errno != errno.EIO:
                raise
            return shown
        if not part:
            return shown
        shown += part


def _become_program(
    arguments: list[str], environment: dict[str, str], cwd: str, files: dict[str, str]
) -> NoReturn:
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
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            _become_program(**asked)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve()
