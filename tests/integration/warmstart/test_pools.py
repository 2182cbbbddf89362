"""Every pool strategy on one event loop per invocation, and on a persistent one.

The sequences were measured with a script of its own: A is "attached to a different loop", B "another operation is in
progress", on a server of another process, one connection at a time.
"""

import pytest

from ticketctl.warmstart.report.model import InvocationOutcome, Verdict
from ticketctl.warmstart.runner.experiment import EnvironmentConfig, Experiment

EVENT = {
    "Records": [{"messageId": f"m{n}", "eventSource": "aws:sqs", "body": "{}"} for n in range(1, 4)],
}
PER_INVOCATION = [
    ("queue", "ok A B B B", Verdict.BROKEN),
    ("static", "ok A B B B", Verdict.BROKEN),
    ("queue-pre-ping", "ok A ok A ok", Verdict.BROKEN),
    ("queue-recycle", "ok ok ok ok ok", Verdict.LEAKING),
    ("dispose", "ok ok ok ok ok", Verdict.SAFE),
    ("null", "ok ok ok ok ok", Verdict.SAFE),
    ("dispose-no-close", "ok ok ok ok ok", Verdict.LEAKING),
    ("fresh-engine", "ok ok ok ok ok", Verdict.LEAKING),
]
PERSISTENT = [
    ("queue", Verdict.FRAGILE),
    ("queue-pre-ping", Verdict.SAFE),
    ("dispose", Verdict.SAFE),
    ("null", Verdict.SAFE),
]


def letter(invocation):
    if invocation.outcome is InvocationOutcome.OK:
        return "ok"
    if "attached to a different loop" in invocation.error:
        return "A"
    return "B" if "another operation is in progress" in invocation.error else invocation.error


@pytest.fixture
def examine(laboratory, handlers, backends, empty_database_url):
    def stage(name, pool, loop):
        scheme, _, rest = empty_database_url.partition("://")
        variables = {
            "DATABASE": f"{scheme.partition('+')[0]}+asyncpg://{rest}",
            "POOL": pool,
            "LOOP": loop,
            "APPLICATION": name,
        }
        return EnvironmentConfig(events=[EVENT], environment=variables, server=backends(name))

    async def run(pool, loop, times=5):
        off, on = stage("off", pool, loop), stage("on", pool, loop)
        return await laboratory.examine(
            Experiment(
                handler="pools:handler",
                events=off.events,
                environment=off.environment,
                server=off.server,
                with_gc=on,
                times=times,
                max_times=2 * times,
                path=handlers,
                labels={"pool": "another name", "loop": loop},
            )
        )

    return run


@pytest.mark.parametrize(("pool", "sequence", "verdict"), PER_INVOCATION)
async def test_each_pool_on_a_loop_per_invocation(examine, pool, sequence, verdict):
    report = await examine(pool, "run")
    assert " ".join(map(letter, report.invocations)) == sequence
    assert report.verdict == verdict
    assert (report.findings == []) == (verdict == Verdict.SAFE)


@pytest.mark.parametrize(("pool", "verdict"), PERSISTENT)
async def test_each_pool_on_a_persistent_loop(examine, pool, verdict):
    report = await examine(pool, "runner")
    assert [invocation.outcome for invocation in report.invocations] == [InvocationOutcome.OK] * 5
    assert report.verdict == verdict
    assert report.leftovers == []


async def test_connections_are_counted_after_each_invocation(examine):
    assert (await examine("queue", "run", 3)).connections == [1, 1, 1]
    assert (await examine("fresh-engine", "run", 3)).connections == [1, 2, 3]
    assert (await examine("null", "run", 3)).connections == [0, 0, 0]


async def test_leftovers_are_reported_before_they_fail(examine):
    report = await examine("queue", "run", 1)
    (zombie,) = report.leftovers
    assert report.verdict == Verdict.MASKED
    assert zombie.type == "asyncpg.connection.Connection"
    assert zombie.owner.startswith("pools.engine.")
    assert zombie.peer.startswith("unix:")
    assert zombie.created_at.startswith("pools.py:")


async def test_the_json_report_starts_with_the_labels(examine):
    cell = (await examine("null", "run", 1)).to_json()
    assert cell["pool"] == "another name"
    assert cell["verdict"] == "safe"
    assert cell["invocations"][0]["records"][0] == {
        "message_id": "m1",
        "outcome": "ok",
        "error_type": None,
        "error": None,
    }
