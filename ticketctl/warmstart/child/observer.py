"""Everything that an environment observes: one place that starts the recorders, and collects what they recorded."""

import os
import stat
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from . import ipc
from .allocation_sites import AllocationSites
from .armed_timers import ArmedTimers
from .child_processes import ChildProcesses
from .exceptions import describe
from .invocation_cost import CostRecorder
from .ipc import ErrorInfo, Observation
from .leak_census import LeakCensus
from .lifecycle import LifecycleRecorder
from .log_capture import LogCapture
from .loop_close import LoopCloseRecorder
from .memory import MemoryRecorder
from .open_fds import OpenFd, list_descriptors, list_open_fds
from .swallowed_exceptions import SwallowedExceptions
from .tmp_files import TmpFiles
from .user_code import UserCode

PRINTED_BYTES = 4096
"""How much of an invocation's output is returned at most."""


class Observer:
    """The recorders of one environment, as far as its level goes. `own_descriptors` are the laboratory's."""

    def __init__(
        self, user_code: UserCode, level: ipc.ObservationLevel, environment_id: str, *, is_thorough: bool
    ) -> None:
        self.user_code = user_code
        self.level = level
        self.sites = AllocationSites(user_code, enabled=level == "all")
        self._logs = None if level == "none" else LogCapture(user_code)
        self._tmp_files = TmpFiles(user_code) if level in ("connections", "all") else None
        self.memory = MemoryRecorder(user_code, self._tmp_files) if self._tmp_files else None
        self._full = (
            _FullObserver(self.sites, environment_id, is_thorough=is_thorough) if level == "all" else None
        )
        self._printed_from = 0
        self.own_descriptors = list_descriptors()

    def describe(self, error: BaseException) -> ErrorInfo:
        """Describe an exception, with its line."""
        return describe(error, self.user_code.line_of(error))

    def open_fds(self) -> list[OpenFd]:
        """Return the descriptors that the handler has opened."""
        return list_open_fds(self.own_descriptors, self.sites)

    def open_connections(self) -> list[OpenFd]:
        """Return those of the descriptors that are connections."""
        return [fd for fd in self.open_fds() if fd.peer]

    @contextmanager
    def record(self) -> Iterator[None]:
        """Record one invocation."""
        self._printed_from = _output_size()
        if self._full and self._full.swallowed:
            with self._full.swallowed.record():
                yield
        else:
            yield

    def timers(self) -> ArmedTimers | None:
        """Return the armed timers, where they are observed."""
        return self._full.timers if self._full else None

    def observe(self, detail: ipc.Detail = "all") -> Observation:
        """Return what was recorded since the last call, and what is open, in as much detail as asked."""
        observation = ipc.no_observation()
        if self._logs:
            observation["logged"], observation["captured_log"] = self._logs.take()
            observation["printed"] = _read_output(self._printed_from)
        if self._tmp_files:
            observation["tmp_writes"] = self._tmp_files.take()
        if self._full:
            self._full.add_errors(observation)
        if self._logs:
            observation["swallowed"] = [*observation["swallowed"], *self._logs.take_lost()]
        if detail == "errors":
            return observation
        if self._full:
            self._full.add_counts(observation, self.open_fds(), has_leftovers=detail == "all")
        elif self.level == "connections":
            observation["counts"] = {"connections": len(self.open_connections())}
        return observation


class _FullObserver:
    """The recorders of the level "all"."""

    def __init__(self, sites: AllocationSites, environment_id: str, *, is_thorough: bool) -> None:
        self._sites = sites
        self._census = LeakCensus(sites)
        self._lifecycle = LifecycleRecorder(sites)
        self._cost = CostRecorder(sites)
        self._processes = ChildProcesses(sites.user_code, environment_id)
        self._loop_closes = LoopCloseRecorder(sites.user_code)
        self.swallowed = SwallowedExceptions(sites.user_code) if is_thorough else None
        self.timers = ArmedTimers(sites.user_code)

    def add_errors(self, observation: Observation) -> None:
        self._loop_closes.install()
        observation["loop_closed_at"] = self._loop_closes.line
        if self.swallowed:
            observation["swallowed"] = self.swallowed.take()

    def add_counts(self, observation: Observation, open_fds: list[OpenFd], *, has_leftovers: bool) -> None:
        observation["leftovers"] = self._census.take(describe=has_leftovers)
        loops, tasks = self._census.unclosed_loops, self._census.pending_tasks
        connections = Counter(phrase(fd.what, fd.line) for fd in open_fds if fd.peer)
        threads = self._sites.count_threads()
        processes = self._processes.list()
        observation["holders"] = {
            "connections": connections,
            "descriptors": Counter(phrase(fd.what, fd.line) for fd in open_fds if not fd.peer),
            "loops": Counter(phrase("a loop", line) for line in loops),
            "threads": {phrase("a thread", line): count for line, count in threads.items()},
            "tasks": Counter(phrase(f"a task of {one.coroutine}", one.line) for one in tasks),
            "child processes": Counter(phrase(f"`{one.command}`", one.line) for one in processes or ()),
        }
        observation["coroutines"] = {
            phrase(f"a task of {one.coroutine}", one.line): one.definition for one in tasks if one.definition
        }
        observation["counts"] = {
            "connections": connections.total(),
            "descriptors": len(open_fds),
            "loops": len(loops),
            "threads": len(sys._current_frames()),  # noqa: SLF001 threading counts only the threads that it started
            "tasks": len(tasks),
        }
        if processes is not None:
            observation["counts"]["child processes"] = len(processes)
        lifecycle = self._lifecycle.take(open_fds)
        observation["lifecycle"] = lifecycle
        observation["cost"] = self._cost.take(lifecycle, open_fds)


def phrase(what: str, line: str | None) -> str:
    """Return what something is, with the line that made it."""
    return f"{what}, from {line}" if line else what


def _output_size() -> int:
    """Return the size of the file that takes the output; 0 where it is no file."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):  # the handler has closed it, or replaced it
            continue
    try:
        status = os.fstat(1)
    except OSError:
        return 0
    return status.st_size if stat.S_ISREG(status.st_mode) else 0


def _read_output(start: int) -> str:
    """Return the end of the output since `start`; the laboratory opens the file for reading, too."""
    end = _output_size()
    if end <= start:
        return ""
    start = max(start, end - PRINTED_BYTES)
    try:
        return os.pread(1, end - start, start).decode(errors="replace")
    except OSError:
        return ""
