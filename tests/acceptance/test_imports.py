"""What the worker brings into a fresh interpreter, and what importing it makes."""

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.fakes import NOON
from tests.program import ROOT
from ticketctl.tickets.messages import TicketMessage, build_event

KEPT_OFF = {
    "typer",
    "rich",
    "alembic",
    "mangum",
    "fastapi",
    "boto3",
    "botocore",
    "httpx",
    "numpy",
    "onnxruntime",
    "opentelemetry",
    "pydantic",
    "tokenizers",
    "uvicorn",
}
"""What a cold start must not pay for."""
KEPT_OFF_THE_API = {"typer", "rich", "alembic", "boto3", "botocore", "httpx", "opentelemetry.sdk", "uvicorn"}
"""The same for the API's function, whose framework is its own."""
MANGUM = "ignore:There is no current event loop"
"""It asks for the current loop, and makes one where Python 3.12 and 3.13 warn that they just did."""
REQUEST = """
import json, sys
from ticketctl.api import handler
http = {"method": "POST", "path": "/tickets", "sourceIp": "192.0.2.1"}
event = {
    "version": "2.0",
    "requestContext": {"http": http},
    "headers": {"content-type": "application/json"},
    "body": json.dumps({"subject": "My printer is on fire"}),
}
answer = handler(event, None)
# FastAPI imports the API of OpenTelemetry by itself where it is installed
modules = sorted({name.partition(".")[0] for name in sys.modules} | {"opentelemetry.sdk"} & set(sys.modules))
print(json.dumps({"status": answer["statusCode"], "modules": modules}))
"""
INVOKE = """
import json, sys
from ticketctl.worker import handler
answer = handler(json.load(sys.stdin), None)
print(json.dumps({"answer": answer, "modules": sorted({name.partition(".")[0] for name in sys.modules})}))
"""
LOOK = """
import asyncio, gc, importlib, json, socket, sys, threading
importlib.import_module(sys.argv[1])
from sqlalchemy.ext.asyncio import AsyncEngine

kinds = (AsyncEngine, asyncio.AbstractEventLoop, socket.socket)
made = [type(found).__name__ for found in gc.get_objects() if isinstance(found, kinds)]
print(json.dumps({"made": made, "threads": threading.active_count(), "collects": gc.isenabled()}))
"""


def run(program: str, environment: dict[str, str], *arguments: str, stdin: str = "") -> Any:
    command = [sys.executable, "-W", "error", "-W", MANGUM, "-c", program, *arguments]
    done = subprocess.run(
        command, input=stdin, capture_output=True, text=True, env=environment, cwd=ROOT, check=True
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("pair", [("null", "run-per-invocation"), ("queue-pre-ping", "runner")], ids="-".join)
def test_an_invocation_imports_only_what_it_needs(
    emptied_url: str, ask: Callable[[str], str], environment: dict[str, str], pair: tuple[str, str]
) -> None:
    made = ask("insert into tickets (subject) values ('I was charged twice') returning id").split()[0]
    event = build_event([TicketMessage(message_id="m", ticket_id=int(made))], sent_at=NOON)
    pool, loop = pair
    chosen = {"TICKETCTL_DATABASE_URL": emptied_url, "TICKETCTL_POOL": pool, "TICKETCTL_LOOP": loop}
    told = run(INVOKE, environment | chosen, stdin=json.dumps(event))
    assert told["answer"] == {"batchItemFailures": []}
    assert ask("select status from tickets") == "processed"
    assert KEPT_OFF.isdisjoint(told["modules"])
    assert {"sqlalchemy", "asyncpg", "msgspec"} <= set(told["modules"])


def test_an_api_request_imports_only_what_it_needs(
    emptied_url: str, ask: Callable[[str], str], environment: dict[str, str]
) -> None:
    chosen = {"TICKETCTL_DATABASE_URL": emptied_url, "TICKETCTL_API_AUTH": "gateway"}
    told = run(REQUEST, environment | chosen)
    assert told["status"] == 201
    assert ask("select count(*) from tickets") == "1"
    assert KEPT_OFF_THE_API.isdisjoint(told["modules"])


@pytest.mark.parametrize("module", ["ticketctl.worker", "ticketctl.api"])
def test_importing_a_function_creates_no_engine_loop_socket_or_thread(
    environment: dict[str, str], module: str
) -> None:
    assert run(LOOK, environment, module) == {"made": [], "threads": 1, "collects": True}


def test_the_package_itself_imports_nothing(environment: dict[str, str]) -> None:
    program = (
        "import sys; before = set(sys.modules); import ticketctl; new = set(sys.modules) - before; "
        "import json; print(json.dumps(sorted(new)))"
    )
    assert run(program, environment) == ["ticketctl"]
