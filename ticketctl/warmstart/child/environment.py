"""One execution environment: it imports a handler once, and calls it once for each request.

Commands: `start` imports the handler, `invoke` calls it, `collect_garbage` frees what is unreachable, `cut` breaks its connections, `find_timers` and `check_timers`
look at what is armed before a freeze and has gone off after it, `start_memory`, `measure_memory` and `finish_memory`
probe its memory, `snapshot` and `restore` do what SnapStart does. When the channel closes, the process ends.
"""

import faulthandler
import gc
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from . import hang_dump, ipc, lambda_context
from .child_processes import MARKER
from .forks import ForkGuard
from .handler_import import call_without_event, resolve, split, to_json
from .ipc import ErrorInfo, InvocationAnswer, MemoryUsage, SnapshotAnswer, StartAnswer
from .observer import Observer, phrase
from .open_fds import ConnectionCutter
from .user_code import UserCode

Handler = Callable[[Any, Any], Any]


def main(descriptor: int, preload: Sequence[str]) -> None:  # noqa: ARG001 all entry points take the same arguments
    """Serve one environment until the channel closes, then leave without any cleanup of what the handler has open."""
    # after a crash, or a hang that SIGABRT ends, the stacks of all threads are in the captured output
    faulthandler.enable(2)
    hang_dump.install()
    channel = ipc.open_channel(descriptor)
    request = ipc.receive(channel)
    if request is not None:
        environment = ExecutionEnvironment(request)
        try:
            ipc.send(channel, environment.start())
            while (request := ipc.receive(channel)) is not None:
                # the type's attribute cache keeps every name that it is asked for: a new string each time is a leak
                command = getattr(environment, sys.intern(request["command"]))
                ipc.send(channel, command(request))
        except (BrokenPipeError, ConnectionResetError):
            pass  # the process on the other side was killed
    os._exit(0)


class ExecutionEnvironment:
    """The process as Lambda sets it up. `request` is the laboratory's `start` request."""

    def __init__(self, request: ipc.Message) -> None:
        self._handler_name: str = request["handler"]
        self._is_call: bool = request.get("is_call", False)
        self._meter_name: str | None = request.get("meter")
        self._timeout: float = request["timeout"]
        path: str | None = request["path"]
        _enter(request, path)
        if not request["gc"]:
            gc.disable()
        gc.freeze()  # as in the fork server: no census examines what the interpreter's start left behind
        user_code = UserCode(split(self._handler_name)[0], path)
        level: ipc.ObservationLevel = request["observe"]
        self._observer = Observer(
            user_code, level, request["environment_id"], is_thorough=request.get("is_thorough", False)
        )
        self._fork_guard = None if level == "none" else ForkGuard(user_code)
        self._cutter = ConnectionCutter()
        self._handler: Handler
        self._meter: Callable[[], Any] | None = None

    def start(self) -> StartAnswer:
        """Import the handler; the answer's `error` says why that failed."""
        error = None
        try:
            function = resolve(self._handler_name)
            self._handler = call_without_event(function) if self._is_call else function
            self._meter = resolve(self._meter_name) if self._meter_name else None
        except BaseException as problem:  # noqa: BLE001 a module may also call sys.exit, which is reported, too
            error = self._observer.describe(problem)
        return {"error": error, **self._observer.observe()}

    def invoke(self, request: ipc.Message) -> InvocationAnswer:
        """Call the handler once. `observe` says how closely to look at what it leaves."""
        trace_id = f"Root=1-{int(time.time()):08x}-{os.urandom(12).hex()};Sampled=0"
        os.environ["_X_AMZN_TRACE_ID"] = trace_id
        timeout = request.get("timeout", self._timeout)
        context = None if self._is_call else lambda_context.LambdaContext(timeout)
        response, error = None, None
        with self._observer.record():
            started = time.perf_counter()
            try:
                response = to_json(self._handler(request["event"], context))
            except BaseException as problem:  # noqa: BLE001 whatever the handler raises is its result
                error = self._observer.describe(problem)
            duration_ms = (time.perf_counter() - started) * 1000
        return {
            "duration_ms": duration_ms,
            "response": response,
            "error": error,
            "meter": self._meter() if self._meter else None,
            "forked_at": self._check_forks(),
            **self._observer.observe(request["observe"]),
        }

    def _check_forks(self) -> str | None:
        """End this process if it is a forked child; return the line of a fork whose child has returned."""
        if self._fork_guard is None:
            return None
        self._fork_guard.end_forked_child()
        return self._fork_guard.line if self._fork_guard.has_returned() else None

    def start_memory(self, request: ipc.Message) -> MemoryUsage | None:  # noqa: ARG002 all commands take the request
        """Trace allocations and containers from now on."""
        if self._observer.memory is None:
            return None
        self._observer.memory.start()
        return self._observer.memory.measure()

    def measure_memory(self, request: ipc.Message) -> MemoryUsage | None:  # noqa: ARG002 as above
        """Collect garbage, and return the memory in use."""
        return self._observer.memory.measure() if self._observer.memory else None

    def finish_memory(self, request: ipc.Message) -> ipc.Message:  # noqa: ARG002 as above
        """Return what has grown since `start_memory`."""
        memory = self._observer.memory
        if memory is None:
            return {"containers": [], "allocations": [], "tmp_line": None}
        containers, allocations, tmp_line = memory.finish()
        return {"containers": containers, "allocations": allocations, "tmp_line": tmp_line}

    def collect_garbage(self, request: ipc.Message) -> ipc.Message:  # noqa: ARG002 as above
        """Collect garbage, and return the counts that are left."""
        gc.collect()
        return {"counts": self._observer.observe("counts")["counts"]}

    def find_timers(self, request: ipc.Message) -> ipc.Message:  # noqa: ARG002 as above
        """Return the timers that are armed."""
        timers = self._observer.timers()
        return {"timers": timers.find() if timers else []}

    def check_timers(self, request: ipc.Message) -> ipc.Message:  # noqa: ARG002 as above
        """Return the same timers, with what has become of them."""
        timers = self._observer.timers()
        return {"timers": timers.check() if timers else []}

    def snapshot(self, request: ipc.Message) -> SnapshotAnswer:  # noqa: ARG002 as above
        """Run the hooks before a snapshot, describe what the snapshot would contain, and break its connections."""
        from . import snapshot_hooks  # only where it is needed: hashlib and random are slow to import

        error = self._run_hooks(snapshot_hooks.run_before_snapshot)
        held = [phrase(fd.what, fd.line) for fd in self._observer.open_connections()]
        values = snapshot_hooks.describe_variables(self._observer.user_code)
        self.cut({"silently": False})
        return {"error": error, "held": held, "values": values}

    def restore(self, request: ipc.Message) -> SnapshotAnswer:  # noqa: ARG002 as above
        """Run the hooks after a restore, and describe the variables again."""
        from . import snapshot_hooks

        error = self._run_hooks(snapshot_hooks.run_after_restore)
        values = snapshot_hooks.describe_variables(self._observer.user_code)
        return {"error": error, "held": [], "values": values}

    def _run_hooks(self, run: Callable[[], None]) -> ErrorInfo | None:
        try:
            run()
        except BaseException as problem:  # noqa: BLE001 on Lambda, whatever a hook raises ends the environment
            return self._observer.describe(problem)
        return None

    def cut(self, request: ipc.Message) -> ipc.Message:
        """Break every connection, as its peer does during a freeze: by a close, or `silently`."""
        connections = [fd.number for fd in self._observer.open_connections()]
        self._cutter.cut(connections, silently=request["silently"])
        return {"cut": len(connections)}


def _enter(request: ipc.Message, path: str | None) -> None:
    """Set the working directory, sys.path and the environment variables as Lambda does for a function."""
    if path:
        os.chdir(path)
        sys.path.insert(0, path)
    if not request.get("is_call", False):
        variables = lambda_context.environment_variables(
            function_name=request["function_name"],
            handler=".".join(split(request["handler"])),
            task_root=path or str(Path.cwd()),
            environment_id=request["environment_id"],
        )
        os.environ.update(variables)
    os.environ[MARKER] = request["environment_id"]
    os.environ.update(request["environment"])
    time.tzset()
