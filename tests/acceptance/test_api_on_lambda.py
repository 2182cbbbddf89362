"""The API's handler as Lambda calls it, and its verdict in the laboratory."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.test_imports import MANGUM
from tests.program import ROOT, Program

STRAY = """
import asyncio

from ticketctl.api import handler as respond


async def record_metrics():
    await asyncio.sleep(0)


def handler(event, context):
    response = respond(event, context)
    asyncio.run(record_metrics())
    return response
"""
CALL = """
import json, sys
from ticketctl.api import handler

print(json.dumps([handler(event, None) for event in json.load(sys.stdin)]))
"""
SQS_EVENT = {"Records": [{"messageId": "1", "body": "{}"}]}


def event(method: str, path: str, content: object = None, **headers: str) -> dict[str, Any]:
    """Return the event of an HTTP API for a request."""
    host = "a1b2c3.execute-api.eu-central-1.amazonaws.com"
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"host": host, "content-type": "application/json", **headers},
        "requestContext": {
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"},
            "stage": "$default",
        },
        "body": None if content is None else json.dumps(content),
        "isBase64Encoded": False,
    }


CREATE = event("POST", "/tickets", {"subject": "My printer is on fire"})


@pytest.fixture
def call(environment: dict[str, str], emptied_url: str) -> Callable[..., Any]:
    """Return a function that sends events to one execution environment, one after the other."""

    def send(*events: object, **variables: str) -> Any:
        chosen = {"TICKETCTL_DATABASE_URL": emptied_url, "TICKETCTL_API_AUTH": "gateway"} | variables
        command = [sys.executable, "-W", "error", "-W", MANGUM, "-c", CALL]
        done = subprocess.run(
            command,
            input=json.dumps(events),
            capture_output=True,
            text=True,
            env=environment | chosen,
            cwd=ROOT,
            check=False,
        )
        return json.loads(done.stdout) if done.returncode == 0 else done.stderr

    return send


def test_requests_are_answered_and_other_events_are_refused(
    call: Callable[..., Any], ask: Callable[[str], str]
) -> None:
    keyed = CREATE | {"headers": CREATE["headers"] | {"idempotency-key": "once"}}
    old = CREATE | {"version": "1.0"}
    events = [keyed, keyed, event("GET", "/tickets/0"), event("GET", "/readyz"), old, SQS_EVENT]
    made, again, missing, ready, *others = call(*events)
    assert [one["statusCode"] for one in (made, again, missing, ready)] == [201, 200, 404, 200]
    assert json.loads(again["body"]) == json.loads(made["body"])
    assert json.loads(missing["body"])["detail"] == "there is no ticket 0"
    for refused in others:
        assert refused["statusCode"] == json.loads(refused["body"])["status"] == 400
        assert refused["headers"]["content-type"] == "application/problem+json"
    assert ask("select count(*) from tickets") == ask("select count(*) from messages") == "1"


def test_the_handler_needs_tokens_or_a_gateway(call: Callable[..., Any], ask: Callable[[str], str]) -> None:
    error = call(CREATE, TICKETCTL_API_AUTH="tokens")
    assert "ConfigError: the API has no tokens" in error
    assert ask("select count(*) from tickets") == "0"


def test_tokens_are_checked_if_there_are_any(call: Callable[..., Any]) -> None:
    sent = event("GET", "/tickets", authorization="Bearer reader")
    responses = call(CREATE, sent, CREATE | {"headers": sent["headers"]}, TICKETCTL_API_TOKENS="r:reader")
    assert [response["statusCode"] for response in responses] == [401, 200, 403]


@pytest.fixture
def judge(ticketctl: Program, emptied_url: str) -> Callable[[str], tuple[int, Any]]:
    """Return a function that runs `simulate-warm-starts` on a handler and returns the exit status and the cell."""

    def simulate(handler: str) -> tuple[int, Any]:
        Path(ticketctl.folder, "event.json").write_text(json.dumps(CREATE))
        Path(ticketctl.folder, "stray.py").write_text(STRAY)
        given = [f"TICKETCTL_DATABASE_URL={emptied_url}", "TICKETCTL_API_AUTH=gateway"]
        variables = [part for one in given for part in ("--env", one)]
        done = ticketctl(
            "simulate-warm-starts", "--handler", handler, "--event", "event.json", *variables, "--json"
        )
        return done.status, done.json["cells"][0]

    return simulate


def test_warm_starts_are_safe_with_the_default_pool(
    judge: Callable[[str], tuple[int, Any]], ask: Callable[[str], str]
) -> None:
    status, cell = judge("ticketctl.api:handler")
    assert (status, cell["verdict"], cell["findings"]) == (0, "safe", [])
    assert [one["response"]["statusCode"] for one in cell["invocations"]] == [201] * 5
    assert cell["connections"] == [0] * 5
    assert int(ask("select count(*) from tickets")) >= 5


def test_asyncio_run_in_the_same_process_breaks_the_handler_and_the_report_names_it(
    judge: Callable[[str], tuple[int, Any]],
) -> None:
    status, cell = judge("stray:handler")
    assert (status, cell["verdict"]) == (8, "broken")
    assert [one["outcome"] for one in cell["invocations"]] == ["ok"] + ["error"] * 4
    (finding,) = cell["findings"]
    assert finding["kind"] == "no-current-loop"
    assert "invocations 2, 3, 4, 5" in finding["cause"]
    assert "asyncio.run()" in finding["cause"]
    assert "Mangum" in finding["cure"]
