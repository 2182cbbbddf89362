"""What invocations that reported failure changed in the database."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from ticketctl.diagnostics.side_effects import SideEffectObserver
from ticketctl.diagnostics.simulation import SimulationPlan, simulate
from ticketctl.postgres import scratch_database as scratch_database_module
from ticketctl.postgres.address import Address
from ticketctl.postgres.scratch_database import BackendMonitor, ScratchDatabase, scratch_database
from ticketctl.settings import Settings
from ticketctl.warmstart.report.model import Invocation, InvocationOutcome, Record

CLAIM = """
update tickets set status = 'processing', attempt = 1, lease_token = gen_random_uuid(), updated_at = now()
where id = $1
"""
TRY = "insert into attempts (ticket_id, attempt) values ($1, 1)"
PARSED = "select count(*) from pg_stat_activity where application_name = 'environment' and query = ';'"
GIVE_BACK = "update tickets set status = 'new', lease_token = null, updated_at = now() where id = $1"
GIVE_BACK_UNCLAIMED = "update tickets set status = 'failed', attempt = 1, updated_at = now() where id = $1"


@pytest.mark.parametrize(
    ("pool", "loop", "cause_start"),
    [
        ("queue", "run-per-invocation", "Invocation 2 reported failure, and changed the database: 3 tickets"),
        ("queue", "run-per-record", "Invocation 1 reported failure, and changed the database: 1 ticket"),
        ("queue-pre-ping", "run-per-invocation", None),
        ("null", "run-per-invocation", None),
    ],
)
async def test_a_statement_sent_over_a_stale_connection_takes_effect(
    server: str, pool: str, loop: str, cause_start: str | None
) -> None:
    plan = SimulationPlan(
        settings=Settings(), server=Address.parse(server), ours=True, pairs=[(pool, loop)], times=3
    )
    (cell,) = await simulate(plan, lambda: None)
    causes = [one.cause for one in cell.report.findings if one.kind == "side-effect"]
    assert [cause.partition(" was")[0].partition(" were")[0] for cause in causes] == (
        [cause_start] if cause_start else []
    )


@pytest.fixture
async def database(server: str) -> AsyncIterator[ScratchDatabase]:
    async with scratch_database(Address.parse(server), Settings(), ours=True) as one:
        yield one


@pytest.fixture
async def environment(database: ScratchDatabase) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(
        database.address.dsn, server_settings={"application_name": "environment"}
    )
    yield connection
    await connection.close()


@pytest.fixture
def backend(database: ScratchDatabase) -> BackendMonitor:
    return database.monitor("environment")


async def test_a_claim_differs_from_a_release(database, environment, backend) -> None:
    untouched, claimed, returned, only_returned = await database.make_tickets(4)
    for ticket in (claimed, returned):
        async with environment.transaction():
            await environment.execute(CLAIM, ticket)
            await environment.execute(TRY, ticket)
    await environment.execute(GIVE_BACK, returned)
    async with environment.transaction():
        await environment.execute(GIVE_BACK_UNCLAIMED, only_returned)
        await environment.execute(TRY, only_returned)
    effects = await backend.effects([untouched, claimed, returned, only_returned])
    assert effects.claimed == {claimed, returned}
    assert effects.idle_in_transaction == 0


async def test_a_backend_with_an_incomplete_statement_is_not_waited_for(
    environment, backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The start of a ping over a stale connection: PARSE was sent, and the rest never follows."""
    monkeypatch.setattr(scratch_database_module, "_BUSY_POLLS", 10_000)
    parse = b"\0;\0\0\0"
    environment._transport.write(b"P" + (4 + len(parse)).to_bytes(4) + parse + b"H" + (4).to_bytes(4))
    async with asyncio.timeout(20):
        while await backend._database.fetch_value(PARSED) == 0:  # noqa: ASYNC110 - the server tells only who asks
            await asyncio.sleep(0.01)
        effects = await backend.effects([])
    assert effects.idle_in_transaction == 0


async def test_a_backend_idle_in_transaction_is_found(environment, backend) -> None:
    side_effects = SideEffectObserver(backend, {})
    await environment.execute("begin")
    await environment.execute("select 1")
    await side_effects.observe(Invocation(number=4, outcome=InvocationOutcome.ERROR, duration_ms=1.0))
    (finding,) = side_effects.findings()
    assert finding.kind == "idle-in-transaction"
    assert "Invocation 4 " in finding.cause


async def test_a_successful_invocation_is_not_checked(database, environment, backend) -> None:
    (ticket,) = await database.make_tickets(1)
    await environment.execute(CLAIM, ticket)
    await environment.execute("begin")
    side_effects = SideEffectObserver(backend, {"m": ticket})
    record = Record(message_id="m", outcome=InvocationOutcome.OK)
    await side_effects.observe(
        Invocation(number=1, outcome=InvocationOutcome.OK, duration_ms=1.0, records=[record])
    )
    assert list(side_effects.findings()) == []
