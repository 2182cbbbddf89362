"""One execution environment: imports a handler once, invokes it as often as it is told to.

Orders: `start` imports the handler, `invoke` calls it, `cut` cuts its connections, `snapshot` and `restore` do what
SnapStart does; each answers what was seen. When the channel closes, the process ends.
"""

import faulthandler
import gc
import importlib
import json
import os
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from . import hang_dump, ipc, lambda_context
from .allocation_sites import AllocationSites
from .exceptions import ErrorInfo, describe, frames
from .leak_census import LeakCensus
from .lifecycle import LifecycleRecorder
from .log_capture import LogCapture
from .open_fds import ConnectionCutter, descriptors, list_open_fds
from .user_code import UserCode

Handler = Callable[[Any, Any], Any]


def main(descriptor: int, preload: Sequence[str]) -> None:  # noqa: ARG001 templates take the same arguments
    """Serve one environment until the channel closes, then leave without a word to whatever is still open."""
    # a crash, or a hang that is ended by SIGABRT, leaves every thread's stack in the captured output
    faulthandler.enable(2)
    hang_dump.listen()
    channel = socket.socket(fileno=descriptor)
    order = ipc.receive(channel)
    if order is not None:
        environment = ExecutionEnvironment(order)
        ipc.send(channel, environment.start())
        while (order := ipc.receive(channel)) is not None:
            ipc.send(channel, getattr(environment, order["do"])(order))
    os._exit(0)


class ExecutionEnvironment:
    """The process as Lambda would have it. `order` is the parent's `start` message."""

    def __init__(self, order: ipc.Message) -> None:
        self._name: str = order["handler"]
        self._timeout: float = order["timeout"]
        path: str | None = order["path"]
        _enter(order, path)
        if not order["gc"]:
            gc.disable()
        gc.freeze()  # as in the template: what the start left behind is nobody's finding
        module, _ = _split(self._name)
        self._source = UserCode(module, path)
        self._look: ipc.Look = order["look"]
        # who only counts connections asks nobody for their lines
        self._sites = AllocationSites(self._source, listening=self._look != "connections")
        self._ears = LogCapture(self._locate)
        self._census = LeakCensus(self._sites) if self._look == "everywhere" else None
        self._moments = LifecycleRecorder(self._sites)
        self._cutter = ConnectionCutter()
        self._handler: Handler
        self._before = descriptors()

    def start(self) -> ipc.Message:
        """Import the handler; the answer's `error` says why that failed."""
        error = None
        try:
            self._handler = _resolve(self._name)
        except BaseException as problem:  # noqa: BLE001 sys.exit at import is an answer too
            error = self._describe(problem)
        return {"error": error, **self._observe(look=True)}

    def invoke(self, order: ipc.Message) -> ipc.Message:
        """Call the handler once; the answer tells response, error, what was heard, and the census after it.

        Without `look`, which is for the last invocation, nobody looks at what it leaves.
        """
        os.environ["_X_AMZN_TRACE_ID"] = f"Root=1-{int(time.time()):08x}-{os.urandom(12).hex()};Sampled=0"
        answer = self._call(order["event"])
        return {**answer, **self._observe(look=order["look"])}

    def snapshot(self, order: ipc.Message) -> ipc.Message:  # noqa: ARG002 as every order's
        """Run the hooks before a snapshot, tell what lies in it, and cut the connections that it holds."""
        from . import snapshot_hooks  # only where it is asked for: it imports what others do not need

        error = self._hook(snapshot_hooks.before_snapshot)
        held = [_phrase(one.what, one.line) for one in list_open_fds(self._before, self._sites) if one.peer]
        values = snapshot_hooks.values(self._source)
        self.cut({"silently": False})
        return {"error": error, "held": held, "values": values}

    def restore(self, order: ipc.Message) -> ipc.Message:  # noqa: ARG002 as every order's
        """Run the hooks after a restore, and tell what has changed by them."""
        from . import snapshot_hooks

        error = self._hook(snapshot_hooks.after_restore)
        return {"error": error, "values": snapshot_hooks.values(self._source)}

    def _hook(self, run: Callable[[], None]) -> ErrorInfo | None:
        try:
            run()
        except BaseException as problem:  # noqa: BLE001 whatever a hook raises ends the environment
            return self._describe(problem)
        return None

    def cut(self, order: ipc.Message) -> ipc.Message:
        """Cut every connection, as a far end does during a freeze: with a close, or silently."""
        cut = [one.number for one in list_open_fds(self._before, self._sites) if one.peer]
        self._cutter.cut(cut, silently=order["silently"])
        return {"cut": len(cut)}

    def _call(self, event: Any) -> ipc.Message:
        context = lambda_context.Context(self._timeout)
        response, error = None, None
        started = time.perf_counter()
        try:
            response = _as_json(self._handler(event, context))
        except BaseException as problem:  # noqa: BLE001 whatever leaves the handler is the result
            error = self._describe(problem)
        return {"duration_ms": (time.perf_counter() - started) * 1000, "response": response, "error": error}

    def _observe(self, *, look: bool) -> ipc.Message:
        heard = self._ears.take()
        if self._census is None or not look:
            counts = self._connections() if look else {}
            return {**heard, "zombies": [], "counts": counts, "holders": {}, "moment": None}
        zombies = self._census.take()
        opened = list_open_fds(self._before, self._sites)
        loops = self._census.unclosed
        holders = {
            "connections": Counter(_phrase(one.what, one.line) for one in opened if one.peer),
            "descriptors": Counter(_phrase(one.what, one.line) for one in opened if not one.peer),
            "loops": Counter(_phrase("a loop", line) for line in loops),
            "threads": Counter(
                {_phrase("a thread", line): count for line, count in self._sites.threads().items()}
            ),
        }
        counts = {
            "connections": holders["connections"].total(),
            "descriptors": len(opened),
            "loops": len(loops),
            "threads": len(sys._current_frames()),  # noqa: SLF001 threading counts only the threads it made
        }
        moment = self._moments.take(opened)
        return {**heard, "zombies": zombies, "counts": counts, "holders": holders, "moment": moment}

    def _connections(self) -> dict[str, int]:
        if self._look == "nowhere":
            return {}
        return {"connections": sum(one.peer is not None for one in list_open_fds(self._before, self._sites))}

    def _describe(self, error: BaseException) -> ErrorInfo:
        return describe(error, self._locate(error))

    def _locate(self, error: BaseException) -> str | None:
        return self._source.line(frames(error))


def _phrase(what: str, line: str | None) -> str:
    return f"{what}, from {line}" if line else what


def _enter(order: ipc.Message, path: str | None) -> None:
    """Make working directory, sys.path and environment variables those of the function."""
    if path:
        os.chdir(path)
        sys.path.insert(0, path)
    dotted = ".".join(_split(order["handler"]))
    os.environ.update(lambda_context.variables(dotted, path or str(Path.cwd()), order["environment_id"]))
    os.environ.update(order["environment"])
    time.tzset()


def _split(handler: str) -> tuple[str, str]:
    """Return module and attribute of `module:function` or, as Lambda has it, `folder/module.function`."""
    module, colon, function = handler.partition(":")
    if not colon:
        module, _, function = handler.rpartition(".")
    return module.replace("/", "."), function


def _resolve(handler: str) -> Handler:
    module, function = _split(handler)
    found: Any = importlib.import_module(module)
    for name in function.split("."):
        found = getattr(found, name)
    if not callable(found):
        raise TypeError(f"{handler} is not callable")
    return found  # type: ignore[no-any-return]


class NotSerializableError(Exception):
    """The handler returned what cannot be sent as JSON; Lambda calls this Runtime.MarshalError."""


def _as_json(response: Any) -> Any:
    """Return the response as the caller of the function would get it."""
    if hasattr(response, "cr_frame"):
        response.close()
        raise NotSerializableError(
            "the handler is a coroutine function: Lambda calls it, gets a coroutine and awaits nothing"
        )
    try:
        text = json.dumps(response, default=_decimal, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as problem:
        raise NotSerializableError(f"the response cannot be sent as JSON: {problem}") from None
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > lambda_context.RESPONSE_BYTES:
        raise NotSerializableError(lambda_context.TOO_LARGE.format(size=size))
    return json.loads(text)


def _decimal(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")
