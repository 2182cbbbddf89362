"""What runs on while the process is frozen, what environments share, and functions that are not on Lambda."""

import pytest

from ticketctl.warmstart.report.model import Verdict
from ticketctl.warmstart.runner.experiment import Experiment


@pytest.fixture
def examine(laboratory, handlers):
    async def run(handler, **options):
        return await laboratory.examine(
            Experiment(handler=f"timers:{handler}", events=[{}], path=handlers, **options)
        )

    return run


@pytest.mark.parametrize("handler", ["leaves_callback", "leaves_task", "leaves_thread"])
async def test_a_timer_that_goes_off_after_the_thaw_is_found(examine, handler):
    report = await examine(handler, freeze="kept")
    assert report.verdict is Verdict.FRAGILE
    (finding,) = report.findings
    assert finding.kind == "late-timer"
    assert "timers.py:" in finding.cause


async def test_an_alarm_that_interrupts_the_next_invocation_is_found(examine, handlers):
    report = await examine("leaves_alarm", freeze="kept")
    lines = (handlers / "timers.py").read_text().splitlines()
    (armed,) = [number for number, line in enumerate(lines, 1) if "ITIMER_REAL, 2.0" in line]
    assert report.verdict is Verdict.FRAGILE
    assert [finding.kind for finding in report.findings] == ["thaw", "late-timer"]
    assert f"timers.py:{armed}" in report.findings[1].cause


@pytest.mark.parametrize("handler", ["cancels_alarm", "writes_its_own_file"])
async def test_a_handler_without_timers_survives_a_freeze(examine, handler):
    assert (await examine(handler, freeze="kept", freeze_seconds=2.5)).verdict is Verdict.SAFE


@pytest.mark.parametrize("freeze", ["kept", "closed"])
async def test_a_thread_that_waits_for_a_peer_is_no_timer(examine, freeze):
    report = await examine("reconnects_after_idle_time", freeze=freeze, freeze_seconds=1.0)
    assert report.verdict is Verdict.SAFE


async def test_threads_that_end_a_little_later_are_no_leak(examine):
    assert (await examine("leaves_thread_for_a_moment")).verdict is Verdict.SAFE


async def test_environments_that_write_the_same_file_are_found(examine):
    report = await examine("writes_the_same_file", concurrency=2)
    (finding,) = report.findings
    assert (report.verdict, finding.kind) == (Verdict.FRAGILE, "shared-file")
    assert "/tmp/laboratory-shared (timers.py:" in finding.cause  # noqa: S108 the handler's file


async def test_environments_with_files_of_their_own_are_safe(examine):
    assert (await examine("writes_its_own_file", concurrency=2)).verdict is Verdict.SAFE


@pytest.mark.parametrize("handler", ["view", "async_view", "command"])
async def test_a_function_without_an_event_can_be_called(examine, handler):
    assert (await examine(handler, is_call=True)).verdict is Verdict.SAFE


async def test_a_command_that_exits_with_an_error_is_broken(examine):
    report = await examine("failing_command", is_call=True)
    assert report.verdict is Verdict.BROKEN
    assert [finding.kind for finding in report.findings] == ["exit"]
