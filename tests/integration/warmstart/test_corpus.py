"""Every handler of the corpus gets the verdict that was measured; the report names the lines that cause it."""

import pytest

from tests.integration.warmstart.cases import CASES, LIBRARY_CASES, case_id, check_report
from ticketctl.warmstart.report.model import Verdict
from ticketctl.warmstart.runner.experiment import Experiment


@pytest.mark.parametrize("case", [*CASES, *LIBRARY_CASES], ids=case_id)
async def test_the_verdict_and_the_marked_lines_are_reported(laboratory, corpus, environment, case):
    report = await laboratory.examine(
        Experiment(
            handler=f"{case.name}.handler",
            events=case.events,
            environment=environment,
            path=corpus,
            timeout=30,
        )
    )
    check_report(report, case, corpus)


async def test_an_object_cached_under_its_loop_is_no_leftover(laboratory, corpus, http):
    report = await laboratory.examine(
        Experiment(handler="streams_cached_by_loop.handler", events=[{}], environment=http, path=corpus)
    )
    assert report.leftovers == []


async def test_a_kept_subprocess_is_reported_with_its_pipes(laboratory, corpus):
    report = await laboratory.examine(
        Experiment(handler="subprocess_left.handler", events=[{}], times=1, path=corpus)
    )
    assert report.verdict is Verdict.MASKED
    owners = {zombie.owner for zombie in report.leftovers}
    assert {"subprocess_left.cat._transport", "subprocess_left.cat.stdin._transport"} <= owners


async def test_sockets_that_only_the_collector_closes_are_reported_as_garbage(laboratory, corpus, http):
    report = await laboratory.examine(
        Experiment(handler="httpx_left_open.handler", events=[{}], environment=http, path=corpus)
    )
    (finding,) = report.findings
    assert "A garbage collection at the end freed" in finding.cause
