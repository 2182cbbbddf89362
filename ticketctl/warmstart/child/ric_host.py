"""One execution environment under AWS's runtime interface client (RIC): `awslambdaric` calls the handler.

awslambdaric is started as on Lambda, as a program with the handler's name as its argument. The name that it gets is that
of a module made here, whose handler imports the user's when awslambdaric asks for it, and receives one request at each
call: `invoke` passes the call on, `observe` and `cut` are as in a plain environment. awslambdaric gets what the user's
handler returns or raises, unchanged. The observation is a call of its own, after awslambdaric has dropped everything of
the call before.
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
from .open_fds import list_descriptors, peer_of

MODULE = "_ticketctl_warmstart_ric"
"""The name under which awslambdaric imports the handler's module."""
CLIENT = "awslambdaric"
API_VARIABLE = "AWS_LAMBDA_RUNTIME_API"


def main(descriptor: int, preload: Sequence[str]) -> None:  # noqa: ARG001 all entry points take the same arguments
    """Serve one environment until the channel closes, or the Runtime API does."""
    faulthandler.enable(2)
    hang_dump.install()
    channel = ipc.open_channel(descriptor)
    request = ipc.receive(channel)
    if request is not None:
        environment = RicEnvironment(request, channel)
        if importlib.util.find_spec(CLIENT) is None:
            ipc.send(channel, {"missing": CLIENT, "python": sys.executable})
        else:
            sys.modules[MODULE] = _HandlerModule(environment)
            sys.argv = [CLIENT, f"{MODULE}.handler"]
            runpy.run_module(CLIENT, run_name="__main__", alter_sys=True)
    os._exit(0)


class _HandlerModule(ModuleType):
    """The module from which awslambdaric takes the handler."""

    def __init__(self, environment: "RicEnvironment") -> None:
        super().__init__(MODULE)
        self._environment = environment

    @property
    def handler(self) -> Callable[[Any, Any], Any]:
        return self._environment.import_handler()


class RicEnvironment(ExecutionEnvironment):
    """An environment whose handler is called by awslambdaric."""

    def __init__(self, request: ipc.Message, channel: socket.socket) -> None:
        super().__init__(request)
        self._channel = channel
        self._before_client = self._observer.own_descriptors

    def import_handler(self) -> Callable[[Any, Any], Any]:
        """Import the user's handler; tell the laboratory the result, and give awslambdaric a function to call."""
        answer = self.start()
        ipc.send(self._channel, answer)
        if answer["error"]:
            raise ImportError(answer["error"]["error"])
        return self.handle

    def handle(self, event: Any, context: Any) -> Any:
        """Receive a request from the laboratory, and carry it out."""
        request = ipc.receive(self._channel)
        if request is None:
            os._exit(0)
        if request["command"] == "invoke":
            return self._call(event, context)
        # the connection to the Runtime API is awslambdaric's, not the handler's
        self._observer.own_descriptors = self._before_client | _connected_to(os.environ[API_VARIABLE])
        if request["command"] == "observe":
            ipc.send(self._channel, self._observer.observe(request["observe"]))
        else:
            ipc.send(self._channel, getattr(self, sys.intern(request["command"]))(request))
        return None

    def _call(self, event: Any, context: Any) -> Any:
        started = time.perf_counter()
        error = None
        try:
            with self._observer.record():
                return self._handler(event, context)
        except BaseException as problem:
            error = {**self._observer.describe(problem), "fatal": not isinstance(problem, Exception)}
            raise
        finally:
            duration = (time.perf_counter() - started) * 1000
            answer = {"duration_ms": duration, "error": error, "forked_at": self._check_forks()}
            ipc.send(self._channel, answer)


def _connected_to(address: str) -> set[int]:
    return {number for number in list_descriptors() if peer_of(number) == address}
