"""`simulate-warm-starts` for what is our own."""

import pytest

from tests.program import Program


@pytest.fixture
def simulate(ticketctl: Program, server: str):
    """The program, whose scratch database is made on the tests' server."""

    def simulate(*options: str):
        return ticketctl("simulate-warm-starts", "--database-url", server, "--times", "2", *options)

    return simulate


def test_api_models_are_simulated_beside_the_workers(simulate) -> None:
    models = ("run-per-invocation", "mangum", "server")
    done = simulate("--pool", "null", *(part for model in models for part in ("--loop", model)))
    assert done.status == 0
    rows = [line.split("\t") for line in done.out.splitlines()]
    assert rows == [["null", model, "safe", "ok,ok", "0,0", ""] for model in models]


def test_the_hint_names_settings_of_a_safe_pair(simulate) -> None:
    done = simulate("--pool", "queue", "--pool", "queue-pre-ping", "--loop", "server")
    assert done.status == 8
    assert "hint: this pair is safe: TICKETCTL_SERVER_POOL=queue-pre-ping\n" in done.err


def test_api_models_refuse_sqs_events(simulate) -> None:
    done = simulate("--loop", "mangum", "--event", "event.json")
    assert done.status == 2
    assert done.err.startswith(
        "error: invalid value for --event: is for the worker; mangum gets an HTTP request"
    )
