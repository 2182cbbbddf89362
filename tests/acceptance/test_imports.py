"""What the worker brings into a fresh interpreter, and what importing it makes."""

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.fakes import NOON
from tests.program import ROOT
from ticketctl.messages import TicketMessage, build_event

KEPT_OFF = {
    "typer",
    "rich",
    "alembic",
    "mangum",
    "fastapi",
    "boto3",
    "botocore",
    "httpx",
    "pydantic",
    "uvicorn",
}
"""What a cold start must not pay for."""
INVOKE = """
import json, sys
from ticketctl.worker import handler
answer = handler(json.load(sys.stdin), None)
print(json.dumps({"answer": answer, "modules": sorted({name.partition(".")[0] for name in sys.modules})}))
"""
LOOK = """
import asyncio, gc, json, socket, threading
import ticketctl.worker
from sqlalchemy.ext.asyncio import AsyncEngine

kinds = (AsyncEngine, asyncio.AbstractEventLoop, socket.socket)
made = [type(found).__name__ for found in gc.get_objects() if isinstance(found, kinds)]
print(json.dumps({"made": made, "threads": threading.active_count()}))
"""


def run(program: str, environment: dict[str, str], stdin: str = "") -> Any:
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(
        command, input=stdin, capture_output=True, text=True, env=environment, cwd=ROOT, check=True
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("pair", [("null", "run-per-invocation"), ("queue-pre-ping", "runner")], ids="-".join)
def test_one_invocation_brings_in_nothing_that_it_does_not_need(
    emptied_url: str, ask: Callable[[str], str], environment: dict[str, str], pair: tuple[str, str]
) -> None:
    made = ask("insert into tickets (subject) values ('I was charged twice') returning id").split()[0]
    event = build_event([TicketMessage(message_id="m", ticket_id=int(made))], sent_at=NOON)
    pool, loop = pair
    chosen = {"TICKETCTL_DATABASE_URL": emptied_url, "TICKETCTL_POOL": pool, "TICKETCTL_LOOP": loop}
    told = run(INVOKE, environment | chosen, json.dumps(event))
    assert told["answer"] == {"batchItemFailures": []}
    assert ask("select status from tickets") == "processed"
    assert KEPT_OFF.isdisjoint(told["modules"])
    assert {"sqlalchemy", "asyncpg", "msgspec"} <= set(told["modules"])


def test_importing_the_worker_makes_no_engine_loop_socket_or_thread(environment: dict[str, str]) -> None:
    assert run(LOOK, environment) == {"made": [], "threads": 1}


def test_the_package_itself_imports_nothing(environment: dict[str, str]) -> None:
    program = (
        "import sys; before = set(sys.modules); import ticketctl; new = set(sys.modules) - before; "
        "import json; print(json.dumps(sorted(new)))"
    )
    assert run(program, environment) == ["ticketctl"]
