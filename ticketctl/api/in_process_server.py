"""`ticketctl serve` inside the laboratory: a server that the laboratory calls as it calls a Lambda function.

The first call starts the server on an event loop in a thread of its own. Each call sends it a request over loopback.
"""

import os
import socket
from pathlib import Path
from threading import Event, Thread
from typing import Any

from ticketctl import event_loops
from ticketctl import settings as settings_module
from ticketctl.api.server import ApiServer
from ticketctl.runtime import Database

_TIMEOUT = 30.0
"""Seconds for the server to start, and for each response."""
_address: tuple[str, int] | None = None


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - what Lambda passes
    """Send the request of an HTTP API's event to the server and return its response.

    Raises:
        ConfigError: A setting is wrong.
        RuntimeError: The server does not start.
    """
    global _address  # noqa: PLW0603 - the server lives as long as the process
    if _address is None:
        _address = _start()
    return _send(_address, event)


def _start() -> tuple[str, int]:
    settings = settings_module.load(os.environ, folder=Path.cwd())
    server = ApiServer(settings, "127.0.0.1", 0)
    started = Event()
    run = server.run(Database(settings, embedded=False), started.set)
    Thread(target=event_loops.run, args=(run,), name="server", daemon=True).start()
    if not started.wait(_TIMEOUT):
        raise RuntimeError("the server did not start")
    return server.address


def _send(address: tuple[str, int], event: dict[str, Any]) -> dict[str, Any]:
    """Send the request and read until the server closes the connection, so that no connection is left open."""
    http, body = event["requestContext"]["http"], event["body"].encode()
    required = {"host": "{}:{}".format(*address), "content-length": len(body), "connection": "close"}
    headers = {**event["headers"], **required}
    lines = [f"{http['method']} {http['path']} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items()), "", ""]
    with socket.create_connection(address, timeout=_TIMEOUT) as connection:
        connection.sendall("\r\n".join(lines).encode() + body)
        with connection.makefile("rb") as response:
            head, _, content = response.read().partition(b"\r\n\r\n")
    return {"statusCode": int(head.split()[1]), "body": content.decode()}
