"""Errors that a handler does not raise are captured, invocation by invocation."""

import pytest

from ticketctl.warmstart.runner.experiment import Experiment


@pytest.fixture
def hear(laboratory, handlers, http):
    async def run(**event):
        port = int(http["HTTP"].rstrip("/").rpartition(":")[2])
        events = [{"port": port}, event | {"port": port}, {"port": port}]
        return await laboratory.examine(
            Experiment(handler="logging_only.handler", events=events, times=3, path=handlers)
        )

    return run


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ("unawaited", "RuntimeWarning: coroutine 'waits' was never awaited"),
        ("unretrieved", "ValueError: this task is not awaited"),
        ("pending", "Task was destroyed but it is pending!"),
        ("unclosed", "ResourceWarning: unclosed <"),
        ("thread", "Exception in thread: OSError: this thread is not joined"),
        ("log", "own: could not answer: KeyError: 'id'"),
        ("warning", "UserWarning: ours is deprecated"),
    ],
)
async def test_each_error_is_captured_once_in_its_invocation(hear, event, said):
    report = await hear(**{event: True})
    assert [sum(said in text for text in one.captured_log) for one in report.invocations] == [0, 1, 0]


async def test_errors_that_asyncio_logs_are_a_finding(hear):
    report = await hear(unretrieved=True)
    (finding,) = report.findings
    assert finding.kind == "heard"
    assert "this task is not awaited" in finding.cause


async def test_a_handler_that_logs_nothing_has_no_finding(hear):
    report = await hear()
    assert report.findings == []
    assert all(one.captured_log == [] for one in report.invocations)


async def test_a_task_destroyed_while_pending_is_lost_work(hear):
    assert (await hear(pending=True)).verdict == "masked"
