"""Processes that the handler started and that still exist, those included whose parent has ended.

A descendant is found by its parent, by its process group, or by a variable in the environment that it inherited: after
`os.system("sleep 60 &")` the shell in between has ended, and a process may leave its group. Linux only (proc(5)).
"""

import os
import sys
from types import FrameType
from typing import Any, NamedTuple

from .audit_events import subscribe
from .user_code import UserCode, walk_stack

MARKER = "_LABORATORY_ENVIRONMENT_ID"
"""The environment variable that marks an execution environment's descendants."""
PROC = "/proc"
EVENTS = ("subprocess.Popen", "os.system", "os.fork", "os.forkpty", "os.posix_spawn")
"""Audit events that start a process."""


class ProcessInfo(NamedTuple):
    """A descendant: its id, its command line, and the user's line that started it."""

    pid: int
    command: str
    line: str | None


class ChildProcesses:
    """Lists the descendants of this process; records who starts processes."""

    def __init__(self, user_code: UserCode, environment_id: str) -> None:
        self._user_code = user_code
        self._pid = os.getpid()
        self._group = os.getpgrp()
        self._marker = f"{MARKER}={environment_id}".encode()
        self._lines: dict[str, str] = {}
        self._last_line: str | None = None
        self._has_started_any = False
        subscribe(EVENTS, self._record)

    def list(self) -> list[ProcessInfo] | None:
        """Return the descendants; None where the system does not tell."""
        if not os.path.isdir(f"{PROC}/self"):  # noqa: PTH112 pathlib costs its import
            return None
        # multiprocessing starts processes without an audit event
        if not self._has_started_any and "multiprocessing.util" not in sys.modules:
            return []
        return [self._describe(pid) for pid in sorted(self._find())]

    def _find(self) -> set[int]:
        parents: dict[int, int] = {}
        found: set[int] = set()
        for name in os.listdir(PROC):  # noqa: PTH208 as above
            if name.isdigit() and int(name) != self._pid and (status := _read_status(int(name))):
                parent, group = status
                parents[int(name)] = parent
                if parent == self._pid or group == self._group or self._is_marked(int(name)):
                    found.add(int(name))
        while more := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= more
        return found

    def _is_marked(self, pid: int) -> bool:
        return self._marker in _read(f"{PROC}/{pid}/environ").split(b"\0")

    def _describe(self, pid: int) -> ProcessInfo:
        words = _read(f"{PROC}/{pid}/cmdline").decode(errors="replace").split("\0")
        command = " ".join(words).strip() or "(ended, not waited for)"
        line = next((line for text, line in self._lines.items() if command in text or text in command), None)
        return ProcessInfo(pid, command, line or self._last_line)

    def _record(self, event: str, arguments: tuple[Any, ...], frame: FrameType) -> None:  # noqa: ARG002 subscribers take it
        self._has_started_any = True
        if line := self._user_code.line(walk_stack(frame)):
            self._last_line = line
            self._lines[_command(arguments)] = line


def _command(arguments: tuple[Any, ...]) -> str:
    """Return the command line from an audit event's arguments: a command, or a program and its arguments."""
    command = arguments[1] if len(arguments) > 1 else next(iter(arguments), "")
    words = command if isinstance(command, list | tuple) else [command]
    return " ".join(word.decode(errors="replace") if isinstance(word, bytes) else str(word) for word in words)


def _read_status(pid: int) -> tuple[int, int] | None:
    """Return parent and process group of a process; None where it has ended."""
    # the second field is the program's name in parentheses, which may contain anything
    fields = _read(f"{PROC}/{pid}/stat").rpartition(b")")[2].split()
    return (int(fields[1]), int(fields[2])) if fields else None


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 as above
            return file.read()
    except OSError:  # the process has ended, or belongs to another user
        return b""
