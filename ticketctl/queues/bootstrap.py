"""The inside of an execution environment's process: `... ticketctl.queues.bootstrap HANDLER DESCRIPTOR [METER]`.

HANDLER is `module:function`. DESCRIPTOR is a socket on which each line is one JSON object. The process first
answers `{"ready": true}`, then each `{"event", "seconds", "request_id"}` with `{"response"}` or `{"error_type",
"error"}`, as Lambda's runtime interface client does over HTTP; with a METER, which is `module:function` too, also
with `"spent"`, what that answers then. It ends when the socket does.
"""

import importlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

Function = Callable[..., Any]


class Context:
    """What Lambda passes beside the event; `seconds` is what the invocation may take."""

    def __init__(self, request_id: str, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds
        self.aws_request_id = request_id
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = "$LATEST"

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the process is ended, never below 0."""
        return max(0, round((self._deadline - time.monotonic()) * 1000))


def main() -> None:
    """Serve invocations until the other side is gone."""
    name, descriptor, *metered = sys.argv[1:]
    # who started this process ends it; a Ctrl-C in the terminal is not meant for it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # whoever started this process may be killed: then nobody waits for the answer
    with (
        suppress(BrokenPipeError, ConnectionResetError),
        socket.socket(fileno=int(descriptor)) as channel,
        channel.makefile("rwb") as lines,
    ):

        def answer(message: dict[str, Any]) -> None:
            lines.write(json.dumps(message).encode() + b"\n")
            lines.flush()

        try:
            handler, meter = _find(name), _find(metered[0]) if metered else None
        except Exception as error:  # noqa: BLE001 - told to whoever started this process
            answer(_failure(error))
            return
        answer({"ready": True})
        for line in lines:
            told = _invoke(handler, json.loads(line))
            answer(told if meter is None else told | {"spent": meter()})


def _find(name: str) -> Function:
    module, _, function = name.partition(":")
    found: Function = getattr(importlib.import_module(module), function)
    return found


def _invoke(handler: Function, order: dict[str, Any]) -> dict[str, Any]:
    context = Context(order["request_id"], order["seconds"])
    try:
        response = handler(order["event"], context)
        json.dumps(response)
    except Exception as error:  # noqa: BLE001 - whatever leaves the handler is the answer
        return _failure(error)
    return {"response": response}


def _failure(error: Exception) -> dict[str, Any]:
    return {"error_type": type(error).__name__, "error": str(error)}


if __name__ == "__main__":
    main()
