"""One execution environment under AWS's own runtime client: `awslambdaric` calls the handler, this looks on.

awslambdaric is started as Lambda starts it, as a program with the handler's name as its argument. The name that it
gets is of a module here, whose handler imports the user's when it is asked for, and waits for an order at each call:
`invoke` passes the call on, `observe` and `cut` are as for a plain environment. What the handler returns or raises
goes to awslambdaric untouched; the census is a call of its own, when nothing of the one before is in use any more.
"""

import faulthandler
import importlib.util
import os
import runpy
import socket
import sys
import time
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from . import hang_dump, ipc
from .environment import ExecutionEnvironment
from .open_fds import descriptors, peer_of

MODULE = "_ticketctl_warmstart_hosted"
"""The handler's module as awslambdaric knows it."""
CLIENT = "awslambdaric"
API = "AWS_LAMBDA_RUNTIME_API"


def main(descriptor: int, preload: Sequence[str]) -> None:  # noqa: ARG001 as an environment without a runtime
    """Serve one environment until the channel closes, or the Runtime API does."""
    faulthandler.enable(2)
    hang_dump.listen()
    channel = socket.socket(fileno=descriptor)
    order = ipc.receive(channel)
    if order is not None:
        hosted = RicEnvironment(order, channel)
        if importlib.util.find_spec(CLIENT) is None:
            ipc.send(channel, {"missing": CLIENT, "python": sys.executable})
        else:
            sys.modules[MODULE] = _Module(hosted)
            sys.argv = [CLIENT, f"{MODULE}.handler"]
            runpy.run_module(CLIENT, run_name="__main__", alter_sys=True)
    os._exit(0)


class _Module(ModuleType):
    """The module that awslambdaric takes the handler from."""

    def __init__(self, hosted: "RicEnvironment") -> None:
        super().__init__(MODULE)
        self._hosted = hosted

    @property
    def handler(self) -> Callable[[Any, Any], Any]:
        return self._hosted.imported()


class RicEnvironment(ExecutionEnvironment):
    """An environment whose handler is called by awslambdaric."""

    def __init__(self, order: ipc.Message, channel: socket.socket) -> None:
        super().__init__(order)
        self._channel = channel
        self._own = self._before

    def imported(self) -> Callable[[Any, Any], Any]:
        """Import the user's handler; answer the parent what was seen, and awslambdaric whom to call."""
        answer = self.start()
        ipc.send(self._channel, answer)
        if answer["error"]:
            raise ImportError(answer["error"]["error"])
        return self.called

    def called(self, event: Any, context: Any) -> Any:
        """Do what the parent orders."""
        order = ipc.receive(self._channel)
        if order is None:
            os._exit(0)
        if order["do"] == "invoke":
            return self._invoke(event, context)
        # the connection to the Runtime API is awslambdaric's, not the handler's
        self._before = self._own | _connected_to(os.environ[API])
        seen = self._observe(look=order["look"]) if order["do"] == "observe" else self.cut(order)
        ipc.send(self._channel, seen)
        return None

    def _invoke(self, event: Any, context: Any) -> Any:
        started = time.perf_counter()
        error = None
        try:
            return self._handler(event, context)
        except BaseException as problem:
            error = {**self._describe(problem), "fatal": not isinstance(problem, Exception)}
            raise
        finally:
            duration = (time.perf_counter() - started) * 1000
            ipc.send(self._channel, {"duration_ms": duration, "error": error})


def _connected_to(address: str) -> set[int]:
    return {number for number in descriptors() if peer_of(number) == address}
