"""The first invocation after a freeze in which connections broke, whatever server they lead to."""

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
async def test_connections_that_the_server_closed_fail_after_the_thaw(thaw, postgres, name):
    report = await thaw(name, postgres, "closed")
    assert report.thaw.number == 3
    if name == "sync_warm":
        assert (report.verdict, report.thaw.outcome) == (Verdict.FRAGILE, InvocationOutcome.ERROR)
        assert [finding.kind for finding in report.findings] == ["thaw"]
        assert "the server closed its connections" in report.findings[0].cause
    else:
        assert (report.verdict, report.thaw.outcome) == (Verdict.SAFE, InvocationOutcome.OK)


async def test_a_client_that_checks_its_connections_survives_the_freeze(thaw, http):
    assert (await thaw("run_until_complete", http, "closed")).verdict is Verdict.SAFE


@pytest.mark.parametrize("name", ["runner", "sync_warm"])
async def test_silent_connections_hang_a_client_without_a_timeout(thaw, postgres, name):
    report = await thaw(name, postgres, "silent", 3.0)
    assert report.verdict is Verdict.FRAGILE
    assert "did not end within 3 s" in report.thaw.error
    assert "asyncio.timeout" in report.findings[0].fix


async def test_silent_connections_fail_a_client_with_a_timeout(thaw, http):
    report = await thaw("run_until_complete", http, "silent")
    assert report.thaw.error_type == "ReadTimeout"


async def test_a_handler_without_connections_survives_the_freeze(thaw, http):
    assert (await thaw("httpx_per_loop", http, "silent")).verdict is Verdict.SAFE
