"""What a handler does not raise is heard, invocation by invocation."""

import pytest

from ticketctl.warmstart.runner.experiment import Experiment


@pytest.fixture
def hear(laboratory, handlers, http):
    async def run(**event):
        port = int(http["HTTP"].rstrip("/").rpartition(":")[2])
        events = [{"port": port}, event | {"port": port}, {"port": port}]
        return await laboratory.examine(
            Experiment(handler="noise.handler", events=events, times=3, path=handlers)
        )

    return run


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ("unawaited", "RuntimeWarning: coroutine 'waits' was never awaited"),
        ("unretrieved", "ValueError: nobody looks at this task"),
        ("pending", "Task was destroyed but it is pending!"),
        ("unclosed", "ResourceWarning: unclosed <"),
        ("thread", "Exception in thread: OSError: nobody joins this thread"),
        ("log", "own: could not answer: KeyError: 'id'"),
        ("warning", "UserWarning: ours is deprecated"),
    ],
)
async def test_each_is_captured_once_in_its_invocation(hear, event, said):
    report = await hear(**{event: True})
    assert [sum(said in text for text in one.captured_log) for one in report.invocations] == [0, 1, 0]


async def test_what_asyncio_complains_of_is_a_finding(hear):
    report = await hear(unretrieved=True)
    (finding,) = report.findings
    assert finding.kind == "heard"
    assert "nobody looks at this task" in finding.cause


async def test_silence_is_no_finding(hear):
    report = await hear()
    assert report.findings == []
    assert all(one.captured_log == [] for one in report.invocations)


async def test_a_task_that_was_destroyed_unfinished_is_lost_work(hear):
    assert (await hear(pending=True)).verdict == "masked"
