"""What the first invocation after a freeze meets, for handlers whose server is anybody's."""

import pytest

from ticketctl.warmstart.report.model import InvocationOutcome, Verdict
from ticketctl.warmstart.runner.experiment import Experiment


@pytest.fixture
def thaw(laboratory, corpus):
    async def run(name, environment, freeze, seconds=30.0):
        return await laboratory.examine(
            Experiment(
                handler=f"{name}.handler",
                events=[{}],
                times=2,
                environment=environment,
                path=corpus,
                timeout=seconds,
                freeze=freeze,
            )
        )

    return run


@pytest.mark.parametrize("name", ["runner", "engine_dispose_always", "sync_warm"])
async def test_connections_closed_from_the_far_side(thaw, postgres, name):
    report = await thaw(name, postgres, "closed")
    assert report.thaw.number == 3
    if name == "sync_warm":
        assert (report.verdict, report.thaw.outcome) == (Verdict.FRAGILE, InvocationOutcome.ERROR)
        assert [finding.kind for finding in report.findings] == ["thaw"]
        assert "The server closed the connections" in report.findings[0].cause
    else:
        assert (report.verdict, report.thaw.outcome) == (Verdict.SAFE, InvocationOutcome.OK)


async def test_a_client_that_looks_before_it_writes_does_not_notice(thaw, http):
    assert (await thaw("run_until_complete", http, "closed")).verdict is Verdict.SAFE


@pytest.mark.parametrize("name", ["runner", "sync_warm"])
async def test_silence_hangs_whoever_waits_without_a_bound(thaw, postgres, name):
    report = await thaw(name, postgres, "silent", 3.0)
    assert report.verdict is Verdict.FRAGILE
    assert "did not end within 3 s" in report.thaw.error
    assert "asyncio.timeout" in report.findings[0].fix


async def test_silence_ends_where_the_client_bounds_its_calls(thaw, http):
    report = await thaw("run_until_complete", http, "silent")
    assert report.thaw.error_type == "ReadTimeout"


async def test_without_a_connection_there_is_nothing_to_lose(thaw, http):
    assert (await thaw("httpx_per_loop", http, "silent")).verdict is Verdict.SAFE
