"""Handlers that end or block their process: each is reported as what it is, and the laboratory goes on."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys

import pytest

from ticketctl.warmstart.report.model import InvocationOutcome, Verdict
from ticketctl.warmstart.runner.experiment import Experiment
from ticketctl.warmstart.runner.lab import Laboratory
from ticketctl.warmstart.runner.process import ForkServer, LaboratoryError, wait_for_exit


@pytest.fixture
def examine(laboratory, handlers):
    async def run(handler, events=({},), **options):
        options = {"times": 3, "timeout": 30.0, "path": handlers} | options
        return await laboratory.examine(Experiment(handler=handler, events=events, **options))

    return run


@pytest.mark.parametrize(
    ("handler", "kind", "error_type", "error"),
    [
        ("exits", "exit", "SystemExit", "3"),
        ("exits_at_once", "exit", "Runtime.ExitError", "ended with status 3"),
        ("leaves_a_child", "exit", "Runtime.ExitError", "ended with status 3"),
        ("segfaults", "crash", "Runtime.ExitError", "SIGSEGV"),
        ("aborts", "crash", "Runtime.ExitError", "last words"),
        ("interrupts", "exit", "KeyboardInterrupt", ""),
        ("closes_all_descriptors", "crash", "Runtime.ExitError", "SIGKILL"),
    ],
)
async def test_the_end_of_the_process_is_reported(examine, handler, kind, error_type, error):
    report = await examine(f"failing.{handler}")
    assert report.verdict is Verdict.BROKEN
    assert [invocation.outcome for invocation in report.invocations] == [
        InvocationOutcome.OK,
        InvocationOutcome.ERROR,
    ]
    assert report.invocations[1].error_type == error_type
    assert error in report.invocations[1].error
    assert [finding.kind for finding in report.findings] == [kind]


@pytest.mark.parametrize("handler", ["hangs", "waits_forever"])
async def test_a_hung_invocation_is_ended_and_its_line_reported(examine, handler):
    report = await examine(f"failing.{handler}", timeout=1.0)
    (finding,) = report.findings
    assert finding.kind == "hang"
    assert "did not end within 1 s" in report.invocations[1].error
    assert "at failing.py:" in finding.cause


@pytest.mark.parametrize("runtime", ["direct", "awslambdaric"])
async def test_a_hung_task_is_reported_with_the_line_that_waits(examine, handlers, runtime):
    report = await examine("failing.awaits_forever", timeout=1.0, runtime=runtime)
    lines = (handlers / "failing.py").read_text().splitlines()
    (waiting,) = [number for number, line in enumerate(lines, 1) if line.endswith("# the line that waits")]
    assert f"at failing.py:{waiting}." in report.findings[0].cause


async def test_a_crash_is_reported_with_its_line(examine):
    report = await examine("failing.segfaults")
    assert "at failing.py:" in report.findings[0].cause


@pytest.mark.parametrize(
    ("handler", "error_type", "error"),
    [
        ("no_such_module.handler", "ModuleNotFoundError", "no_such_module"),
        ("failing.no_such_function", "AttributeError", "no_such_function"),
        ("failing:not_callable", "TypeError", "failing:not_callable is not callable"),
        ("exits_at_import.handler", "SystemExit", "no configuration"),
    ],
)
async def test_a_failed_import_is_reported(examine, handler, error_type, error):
    report = await examine(handler)
    (invocation,) = report.invocations
    assert (report.verdict, invocation.error_type) == (Verdict.BROKEN, error_type)
    assert error in invocation.error
    assert [finding.kind for finding in report.findings] == ["import"]


async def test_a_coroutine_function_is_reported_as_no_handler(examine):
    report = await examine("failing.coroutine")
    assert report.verdict is Verdict.BROKEN
    assert "coroutine function" in report.invocations[0].error
    assert [finding.kind for finding in report.findings] == ["coroutine-handler"]


async def test_an_exception_without_a_text_is_reported(examine):
    report = await examine("failing.raises_without_text")
    assert report.invocations[1].error_type == "TextlessError"
    assert "__str__ raises ValueError" in report.invocations[1].error


async def test_a_response_that_is_not_json_is_an_error(examine):
    report = await examine("failing.returns_a_set")
    assert "cannot be sent as JSON" in report.invocations[1].error


async def test_a_response_that_is_too_large_is_an_error(examine):
    for runtime in ("direct", "awslambdaric"):
        report = await examine("failing.returns_too_much", runtime=runtime)
        assert "7000002 bytes is larger than Lambda's limit" in report.invocations[1].error
        assert report.verdict is Verdict.BROKEN


async def test_the_child_has_its_own_standard_streams(examine, capfd):
    assert (await examine("failing.noisy")).invocations[0].response == "done"
    assert (await examine("failing.reads_input")).invocations[0].response == ""
    assert capfd.readouterr() == ("", "")


async def test_the_child_has_the_environment_of_lambda(examine, handlers):
    report = await examine(
        "failing.returns_context", events=({"number": 1}, {"number": 2}), environment={"MINE": "yes"}
    )
    first, second, third = [invocation.response for invocation in report.invocations]
    assert [told["event"]["number"] for told in (first, second, third)] == [1, 2, 1]
    assert 0 < first["remaining"] <= 30_000
    assert first["request"] != second["request"]
    assert first["stream"] == second["stream"]
    assert first["arn"].startswith("arn:aws:lambda:us-east-1:")
    assert first["environment"] == {
        "LAMBDA_TASK_ROOT": str(handlers),
        "AWS_REGION": "us-east-1",
        "_HANDLER": "failing.returns_context",
        "MINE": "yes",
    }
    assert (first["folder"], first["path"], first["child"]) == (str(handlers), str(handlers), [])
    assert "MINE" not in os.environ


async def test_a_missing_interpreter_is_an_error(examine):
    with pytest.raises(LaboratoryError, match="cannot be started"):
        await examine("failing.noisy", python="/no/such/python")


async def test_a_program_that_is_no_interpreter_is_an_error(examine):
    with pytest.raises(LaboratoryError, match=r"cat is no Python of 3\.11 or newer"):
        await examine("failing.noisy", python=shutil.which("cat"))


async def test_a_forked_environment_behaves_like_a_started_one():
    async with Laboratory(preload=["json", "no_such_module"]) as forked:
        report = await forked.examine(Experiment(handler="json:loads", events=["[1]"], times=1))
        again = await forked.examine(Experiment(handler="os:abort", events=[None], times=1))
    assert report.invocations[0].error_type == "TypeError"
    assert again.verdict is Verdict.BROKEN


async def test_a_cancelled_wait_leaves_no_process():
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as process:  # noqa: ASYNC220 as the laboratory does
        waiting = asyncio.create_task(wait_for_exit(process))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert process.returncode == -signal.SIGKILL


async def test_a_cancelled_request_does_not_shift_the_answers_of_the_fork_server():
    server = ForkServer(sys.executable, [])
    try:
        forking = asyncio.create_task(server.fork())
        await asyncio.sleep(0)  # the request is sent
        forking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await forking
        child = await server.fork()
        assert child.is_alive()
        assert await child.end() == 0
        child.close()
    finally:
        await server.close()
