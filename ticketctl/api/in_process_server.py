"""The API behind uvicorn, for the laboratory to call as it calls a Lambda function: a server that lives on.

The first call starts the server on an event loop in a thread of its own, as `ticketctl serve` runs it; each call is a
request to it over loopback.
"""

import os
import socket
from pathlib import Path
from threading import Event, Thread
from typing import Any

from ticketctl import event_loops
from ticketctl import settings as settings_module
from ticketctl.api.server import Server
from ticketctl.runtime import Database

_PATIENCE = 30.0
"""Seconds that the server may take to start, or to answer."""
_address: tuple[str, int] | None = None


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - what Lambda passes
    """Answer an HTTP API's event by asking the server.

    Raises:
        ConfigError: The environment's settings are wrong.
        RuntimeError: The server does not start.
    """
    global _address  # noqa: PLW0603 - the server that lives on
    if _address is None:
        _address = _start()
    return _ask(_address, event)


def _start() -> tuple[str, int]:
    settings = settings_module.load(os.environ, folder=Path.cwd())
    server = Server(settings, "127.0.0.1", 0)
    started = Event()
    run = server.run(Database(settings, embedded=False), started.set)
    Thread(target=event_loops.run, args=(run,), name="server", daemon=True).start()
    if not started.wait(_PATIENCE):
        raise RuntimeError("the server did not start")
    return server.address


def _ask(address: tuple[str, int], event: dict[str, Any]) -> dict[str, Any]:
    """Send the request, and read until the server has closed: then it holds no connection of ours any more."""
    http, body = event["requestContext"]["http"], event["body"].encode()
    told = {"host": "{}:{}".format(*address), "content-length": len(body), "connection": "close"}
    headers = {**event["headers"], **told}
    lines = [f"{http['method']} {http['path']} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items()), "", ""]
    with socket.create_connection(address, timeout=_PATIENCE) as connection:
        connection.sendall("\r\n".join(lines).encode() + body)
        with connection.makefile("rb") as answer:
            head, _, content = answer.read().partition(b"\r\n\r\n")
    return {"statusCode": int(head.split()[1]), "body": content.decode()}
