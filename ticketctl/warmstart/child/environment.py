"""One execution environment: it imports a handler once, and calls it once for each request.

Commands: `start` imports the handler, `invoke` calls it, `cut` breaks its connections, `snapshot` and `restore` do what
SnapStart does. When the channel closes, the process ends.
"""

import faulthandler
import gc
import importlib
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from . import hang_dump, ipc, lambda_context
from .allocation_sites import AllocationSites
from .exceptions import describe, frames
from .ipc import ErrorInfo, InvocationAnswer, Observation, SnapshotAnswer, StartAnswer
from .leak_census import LeakCensus
from .lifecycle import LifecycleRecorder
from .log_capture import LogCapture
from .open_fds import ConnectionCutter, list_descriptors, list_open_fds
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
                ipc.send(channel, getattr(environment, request["command"])(request))
        except (BrokenPipeError, ConnectionResetError):
            pass  # the process on the other side was killed
    os._exit(0)


class ExecutionEnvironment:
    """The process as Lambda sets it up. `request` is the laboratory's `start` request."""

    def __init__(self, request: ipc.Message) -> None:
        self._handler_name: str = request["handler"]
        self._meter_name: str | None = request.get("meter")
        self._timeout: float = request["timeout"]
        self._level: ipc.ObservationLevel = request["observe"]
        path: str | None = request["path"]
        _enter(request, path)
        if not request["gc"]:
            gc.disable()
        gc.freeze()  # as in the fork server: no census examines what the interpreter's start left behind
        module, _ = _split(self._handler_name)
        self._user_code = UserCode(module, path)
        self._sites = AllocationSites(self._user_code, enabled=self._level == "all")
        self._logs = None if self._level == "none" else LogCapture(self._locate)
        self._census = LeakCensus(self._sites) if self._level == "all" else None
        self._lifecycle = LifecycleRecorder(self._sites)
        self._cutter = ConnectionCutter()
        self._handler: Handler
        self._meter: Callable[[], Any] | None = None
        self._own_descriptors = list_descriptors()

    def start(self) -> StartAnswer:
        """Import the handler; the answer's `error` says why that failed."""
        error = None
        try:
            self._handler = _resolve(self._handler_name)
            self._meter = _resolve(self._meter_name) if self._meter_name else None
        except BaseException as problem:  # noqa: BLE001 a module may also call sys.exit, which is reported, too
            error = self._describe(problem)
        return {"error": error, **self._observe()}

    def invoke(self, request: ipc.Message) -> InvocationAnswer:
        """Call the handler once. With `observe` false, what the invocation leaves is not looked at."""
        trace_id = f"Root=1-{int(time.time()):08x}-{os.urandom(12).hex()};Sampled=0"
        os.environ["_X_AMZN_TRACE_ID"] = trace_id
        context = lambda_context.LambdaContext(request.get("timeout", self._timeout))
        response, error = None, None
        started = time.perf_counter()
        try:
            response = _to_json(self._handler(request["event"], context))
        except BaseException as problem:  # noqa: BLE001 whatever the handler raises is its result
            error = self._describe(problem)
        duration_ms = (time.perf_counter() - started) * 1000
        return {
            "duration_ms": duration_ms,
            "response": response,
            "error": error,
            "meter": self._meter() if self._meter else None,
            **self._observe(is_complete=request["observe"]),
        }

    def snapshot(self, request: ipc.Message) -> SnapshotAnswer:  # noqa: ARG002 all commands take the request
        """Run the hooks before a snapshot, describe what the snapshot would contain, and break its connections."""
        from . import snapshot_hooks  # only where it is needed: hashlib and random are slow to import

        error = self._run_hooks(snapshot_hooks.run_before_snapshot)
        held = [
            _phrase(fd.what, fd.line) for fd in list_open_fds(self._own_descriptors, self._sites) if fd.peer
        ]
        values = snapshot_hooks.describe_variables(self._user_code)
        self.cut({"silently": False})
        return {"error": error, "held": held, "values": values}

    def restore(self, request: ipc.Message) -> SnapshotAnswer:  # noqa: ARG002 as above
        """Run the hooks after a restore, and describe the variables again."""
        from . import snapshot_hooks

        error = self._run_hooks(snapshot_hooks.run_after_restore)
        return {"error": error, "held": [], "values": snapshot_hooks.describe_variables(self._user_code)}

    def _run_hooks(self, run: Callable[[], None]) -> ErrorInfo | None:
        try:
            run()
        except BaseException as problem:  # noqa: BLE001 on Lambda, whatever a hook raises ends the environment
            return self._describe(problem)
        return None

    def cut(self, request: ipc.Message) -> ipc.Message:
        """Break every connection, as its peer does during a freeze: by a close, or `silently`."""
        connections = [fd.number for fd in list_open_fds(self._own_descriptors, self._sites) if fd.peer]
        self._cutter.cut(connections, silently=request["silently"])
        return {"cut": len(connections)}

    def _observe(self, *, is_complete: bool = True) -> Observation:
        """Return what was logged, and, if `is_complete`, what is open, as far as the level goes."""
        observation = ipc.no_observation()
        if self._logs:
            observation["logged"], observation["captured_log"] = self._logs.take()
        if not is_complete:
            return observation
        if self._level == "connections":
            open_fds = list_open_fds(self._own_descriptors, self._sites)
            observation["counts"] = {"connections": sum(fd.peer is not None for fd in open_fds)}
        elif self._census:
            observation["leftovers"] = self._census.take()
            self._count(observation, self._census.unclosed_loops)
        return observation

    def _count(self, observation: Observation, loop_lines: list[str | None]) -> None:
        open_fds = list_open_fds(self._own_descriptors, self._sites)
        connections = Counter(_phrase(fd.what, fd.line) for fd in open_fds if fd.peer)
        threads = self._sites.count_threads()
        observation["holders"] = {
            "connections": connections,
            "descriptors": Counter(_phrase(fd.what, fd.line) for fd in open_fds if not fd.peer),
            "loops": Counter(_phrase("a loop", line) for line in loop_lines),
            "threads": {_phrase("a thread", line): count for line, count in threads.items()},
        }
        observation["counts"] = {
            "connections": connections.total(),
            "descriptors": len(open_fds),
            "loops": len(loop_lines),
            "threads": len(sys._current_frames()),  # noqa: SLF001 threading counts only the threads that it started
        }
        observation["lifecycle"] = self._lifecycle.take(open_fds)

    def _describe(self, error: BaseException) -> ErrorInfo:
        return describe(error, self._locate(error))

    def _locate(self, error: BaseException) -> str | None:
        return self._user_code.line(frames(error))


def _phrase(what: str, line: str | None) -> str:
    return f"{what}, from {line}" if line else what


def _enter(request: ipc.Message, path: str | None) -> None:
    """Set the working directory, sys.path and the environment variables as Lambda does for a function."""
    if path:
        os.chdir(path)
        sys.path.insert(0, path)
    variables = lambda_context.environment_variables(
        function_name=request["function_name"],
        handler=".".join(_split(request["handler"])),
        task_root=path or str(Path.cwd()),
        environment_id=request["environment_id"],
    )
    os.environ.update(variables)
    os.environ.update(request["environment"])
    time.tzset()


def _split(handler: str) -> tuple[str, str]:
    """Return module and attribute of `module:function` or, as Lambda has it, `folder/module.function`."""
    module, colon, function = handler.partition(":")
    if not colon:
        module, _, function = handler.rpartition(".")
    return module.replace("/", "."), function


def _resolve(name: str) -> Callable[..., Any]:
    module, function = _split(name)
    found: Any = importlib.import_module(module)
    for attribute in function.split("."):
        found = getattr(found, attribute)
    if not callable(found):
        raise TypeError(f"{name} is not callable")
    return found  # type: ignore[no-any-return]


class NotSerializableError(Exception):
    """The handler returned what JSON cannot represent; Lambda calls this Runtime.MarshalError."""


def _to_json(response: Any) -> Any:
    """Return the response as the caller of the function would get it."""
    if hasattr(response, "cr_frame"):
        response.close()
        raise NotSerializableError(
            "the handler is a coroutine function: Lambda calls it, gets a coroutine and awaits nothing"
        )
    try:
        text = json.dumps(response, default=_decimal_to_json, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as problem:
        raise NotSerializableError(f"the response cannot be sent as JSON: {problem}") from None
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > lambda_context.RESPONSE_BYTES:
        raise NotSerializableError(lambda_context.RESPONSE_TOO_LARGE.format(size=size))
    return json.loads(text)


def _decimal_to_json(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")
