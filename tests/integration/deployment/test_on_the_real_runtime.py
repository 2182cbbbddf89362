"""The packages under AWS's own runtime client, with nothing else installed, against a real Postgres."""

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from uuid import uuid4

import pytest

from ticketctl.postgres.address import Address
from ticketctl.postgres.revision import REVISION
from ticketctl.postgres.scratch_database import scratch_database
from ticketctl.settings import Settings
from ticketctl.tickets.messages import TicketMessage, build_event
from ticketctl.warmstart.report.model import Verdict
from ticketctl.warmstart.runner.experiment import EnvironmentConfig, Experiment
from ticketctl.warmstart.runner.lab import Laboratory
from ticketctl.warmstart.runner.wait import wait_for_closed_connections

TIMES, BATCH = 20, 10
CALLS = TIMES + 1
"""The last one after a freeze, in which the server closed every connection."""
PAIRS = [("null", "run-per-invocation", 0), ("queue-pre-ping", "runner", 1)]
"""And the connections that an environment keeps between its invocations."""


@pytest.fixture
async def database(server):
    async with scratch_database(Address.parse(server), Settings(), ours=True) as made:
        yield made


@pytest.fixture
def examine(database, bare, unpacked):
    """Examine a package's handler in two environments, each with events of its own."""

    async def run(part, handler, events, **variables):
        def stage():
            name = f"packaged-{uuid4().hex[:12]}"
            shared = {"TICKETCTL_DATABASE_URL": database.address.dsn, "TICKETCTL_APPLICATION_NAME": name}
            return EnvironmentConfig(
                events=events(), environment=shared | variables, server=database.monitor(name)
            )

        without_gc, with_gc = stage(), stage()
        experiment = Experiment(
            handler=handler,
            events=without_gc.events,
            environment=without_gc.environment,
            server=without_gc.server,
            with_gc=with_gc,
            times=TIMES,
            path=unpacked[part],
            python=str(bare),
            runtime="awslambdaric",
        )
        async with Laboratory() as laboratory:
            report = await laboratory.examine(experiment)
        for one in (without_gc, with_gc):
            assert await wait_for_closed_connections(one.server, at_most=0) == 0
        return report

    return run


def batches(ids: Iterator[int]) -> list[dict]:
    return [
        build_event(
            [TicketMessage(message_id=str(uuid4()), ticket_id=number) for number in islice(ids, BATCH)],
            sent_at=datetime.now(UTC),
        )
        for _ in range(CALLS)
    ]


@pytest.mark.parametrize(("pool", "loop", "kept"), PAIRS, ids=[pair[0] for pair in PAIRS])
async def test_the_worker(examine, database, pool, loop, kept):
    ids = iter(await database.make_tickets(2 * CALLS * BATCH - BATCH))
    report = await examine(
        "worker",
        "ticketctl.worker.handler",
        lambda: batches(ids),
        TICKETCTL_POOL=pool,
        TICKETCTL_LOOP=loop,
    )
    assert report.verdict is Verdict.SAFE, report.findings
    assert [one.response for one in report.invocations] == [{"batchItemFailures": []}] * TIMES
    assert report.connections == report.connections_gc == [kept] * TIMES
    assert await database.fetch_value("select count(*) from tickets where status <> 'processed'") == 0
    assert await database.fetch_value("select count(*) from attempts") == 2 * CALLS * BATCH - BATCH


def requests() -> list[dict]:
    """What an HTTP API sends for `POST /tickets`, payload format 2.0."""
    return [
        {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": "/tickets",
            "rawQueryString": "",
            "headers": {"content-type": "application/json", "host": "api.example.com"},
            "requestContext": {
                "http": {
                    "method": "POST",
                    "path": "/tickets",
                    "protocol": "HTTP/1.1",
                    "sourceIp": "192.0.2.1",
                },
                "stage": "$default",
            },
            "body": json.dumps({"subject": f"I was charged twice for order {number}"}),
            "isBase64Encoded": False,
        }
        for number in range(CALLS)
    ]


@pytest.mark.parametrize(("pool", "kept"), [(pool, kept) for pool, _, kept in PAIRS])
async def test_the_api(examine, database, pool, kept):
    report = await examine(
        "api", "ticketctl.api.handler", requests, TICKETCTL_POOL=pool, TICKETCTL_API_AUTH="gateway"
    )
    assert report.verdict is Verdict.SAFE, report.findings
    assert [one.response["statusCode"] for one in report.invocations] == [201] * TIMES
    assert report.connections == report.connections_gc == [kept] * TIMES
    # each invocation makes one ticket; the laboratory may invoke further, to see whether counts go on growing
    made = await database.fetch_value("select count(*) from tickets")
    assert made == await database.fetch_value("select count(*) from messages") >= CALLS + TIMES


def test_the_workers_package_migrates_a_database(bare, unpacked, empty_database_url):
    program = (
        "import asyncio; from ticketctl import runtime, settings; import os; "
        "made = settings.load(os.environ); "
        "print(asyncio.run(runtime.upgrade(runtime.Database(made, embedded=False))))"
    )
    environment = {"TICKETCTL_DATABASE_URL": empty_database_url, "PYTHONPATH": str(unpacked["worker"])}
    done = subprocess.run([bare, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == (REVISION, "")
