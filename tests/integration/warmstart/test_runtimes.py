"""Under awslambdaric, AWS's runtime client, reports are the same: verdicts, outcomes, error texts, connections."""

import re
import socket
from pathlib import Path

import pytest

from ticketctl.diagnostics.simulation import MatrixCell, SimulationPlan, simulate
from ticketctl.postgres.address import Address
from ticketctl.postgres.pools import POOLS
from ticketctl.settings import Settings
from ticketctl.warmstart.runner.experiment import Experiment
from ticketctl.warmstart.runner.lab import Laboratory

PAIRS = [(pool, "run-per-invocation") for pool in POOLS] + [
    (pool, "runner") for pool in ("null", "queue", "queue-pre-ping", "dispose")
]
CHANGING = re.compile(r"0x[0-9a-f]+|Task-\d+|\[parameters: .*\]|[0-9a-f]{8}-[0-9a-f-]{27}", re.DOTALL)
CUT = re.compile(
    r"(<class 'asyncpg[.\w]*'>: )?(connection was closed in the middle of operation"
    r"|terminating connection due to administrator command)(: terminating .* command)?"
)
"""A cut connection: whether its client reads the server's last words first is the kernel's race."""


def steady(text):
    return text and CUT.sub("cut", CHANGING.sub("...", text))


def seen(cell: MatrixCell):
    """What has to be equal of two simulations."""
    report = cell.report
    tried = [*report.invocations, report.thaw]
    return {
        "pair": (cell.pool, cell.loop),
        "verdict": report.verdict,
        "outcomes": [one.outcome for one in tried],
        "errors": [(one.error_type, steady(one.error)) for one in tried],
        "records": [
            [(record.outcome, record.error_type, steady(record.error)) for record in one.records]
            for one in tried
        ],
        "connections": report.connections,
        "zombies": [(one.invocation, one.type, one.owner, one.created_at) for one in report.leftovers],
    }


@pytest.fixture
def plan(server: str):
    return lambda runtime: SimulationPlan(
        settings=Settings(),
        server=Address.parse(server),
        ours=True,
        pairs=PAIRS,
        times=4,
        runtime=runtime,
    )


async def test_every_pool_has_the_same_report_under_awslambdaric(plan) -> None:
    direct = await simulate(plan("direct"), lambda: None)
    hosted = await simulate(plan("awslambdaric"), lambda: None)
    for one, other in zip(direct, hosted, strict=True):
        assert seen(other) == seen(one)


HANDLERS = """
import os
import socket
import sys
import time
import warnings

print("imported by", sys.argv[0])

def who(event, context):
    return [event, sys.argv[0], type(context).__module__, context.get_remaining_time_in_millis() > 0]

def raises(event, context):
    raise ValueError("x" * 2000)

def group(event, context):
    raise ExceptionGroup("both", [KeyError("a"), OSError("b")])

def exits(event, context):
    sys.exit(3)

def dies(event, context):
    os.kill(os.getpid(), 9)

def hangs(event, context):
    time.sleep(600)

def batch(event, context):
    return {"batchItemFailures": [{"itemIdentifier": "m1"}]}

def unspeakable(event, context):
    return object()

class Unspeakable(Exception):
    def __str__(self):
        raise ValueError("this has no text")

def unspeakable_error(event, context):
    raise Unspeakable

kept = []

def leaks(event, context):
    kept.append(socket.create_connection(("127.0.0.1", event)))
"""


@pytest.fixture
def examine(tmp_path: Path):
    (tmp_path / "app.py").write_text(HANDLERS)

    async def examine(handler, event=None, **options):
        async with Laboratory() as laboratory:
            return await laboratory.examine(
                Experiment(
                    handler=f"app:{handler}",
                    events=[event],
                    times=2,
                    path=tmp_path,
                    timeout=options.pop("timeout", 20),
                    runtime=options.pop("runtime", "awslambdaric"),
                )
            )

    return examine


async def test_awslambdaric_calls_the_handler(examine) -> None:
    report = await examine("who", {"n": 1})
    event, program, context, remaining = report.invocations[1].response
    assert event == {"n": 1}
    assert program.endswith("awslambdaric/__main__.py")
    assert context == "awslambdaric.lambda_context"
    assert remaining
    assert report.verdict == "safe"
    assert report.connections == [0, 0]


@pytest.mark.parametrize("handler", ["raises", "group", "exits", "batch", "missing"])
async def test_every_end_is_reported_as_without_awslambdaric(examine, handler) -> None:
    event = {"Records": [{"messageId": "m1", "eventSource": "aws:sqs", "body": "{}"}]}
    direct, hosted = [await examine(handler, event, runtime=one) for one in ("direct", "awslambdaric")]
    assert hosted.verdict == direct.verdict == "broken"
    assert [finding.kind for finding in hosted.findings] == [finding.kind for finding in direct.findings]
    assert [(i.outcome, i.error_type, i.error) for i in hosted.invocations] == [
        (i.outcome, i.error_type, i.error) for i in direct.invocations
    ]


async def test_the_death_of_the_process_is_reported(examine) -> None:
    report = await examine("dies")
    assert [finding.kind for finding in report.findings] == ["crash"]


async def test_an_exception_that_ends_awslambdaric_is_reported(examine) -> None:
    """Its text raises, which awslambdaric does not expect of an exception."""
    report = await examine("unspeakable_error")
    assert [finding.kind for finding in report.findings] == ["exit"]


async def test_a_hung_handler_is_reported(examine) -> None:
    report = await examine("hangs", timeout=1)
    assert [finding.kind for finding in report.findings] == ["hang"]
    assert "app.py:26" in report.findings[0].cause


async def test_a_response_that_is_not_json_has_the_error_of_awslambdaric(examine) -> None:
    report = await examine("unspeakable")
    assert report.invocations[0].error_type == "Runtime.MarshalError"
    assert "Unable to marshal response" in report.invocations[0].error


async def test_a_leak_is_counted_without_the_connection_of_awslambdaric(examine, unused_server) -> None:
    report = await examine("leaks", unused_server)
    assert report.connections == [1, 2]
    assert report.verdict == "leaking"


@pytest.fixture
def unused_server():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]
