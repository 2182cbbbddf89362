"""Whatever a handler does to its process is told as what it is, and the laboratory goes on."""

import os
import shutil

import pytest

from ticketctl.warmstart.report.model import InvocationOutcome, Verdict
from ticketctl.warmstart.runner.experiment import Experiment
from ticketctl.warmstart.runner.lab import Laboratory
from ticketctl.warmstart.runner.process import LaboratoryError


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
        ("ends_at_once", "exit", "Runtime.ExitError", "ended with status 3"),
        ("leaves_a_child", "exit", "Runtime.ExitError", "ended with status 3"),
        ("segfaults", "crash", "Runtime.ExitError", "SIGSEGV"),
        ("aborts", "crash", "Runtime.ExitError", "last words"),
        ("interrupts", "exit", "KeyboardInterrupt", ""),
        ("closes_everything", "crash", "Runtime.ExitError", "SIGKILL"),
    ],
)
async def test_the_process_ends(examine, handler, kind, error_type, error):
    report = await examine(f"endings.{handler}")
    assert report.verdict is Verdict.BROKEN
    assert [invocation.outcome for invocation in report.invocations] == [
        InvocationOutcome.OK,
        InvocationOutcome.ERROR,
    ]
    assert report.invocations[1].error_type == error_type
    assert error in report.invocations[1].error
    assert [finding.kind for finding in report.findings] == [kind]


@pytest.mark.parametrize("handler", ["hangs", "waits_for_ever"])
async def test_a_hang_is_ended_and_its_line_told(examine, handler):
    report = await examine(f"endings.{handler}", timeout=1.0)
    (finding,) = report.findings
    assert finding.kind == "hang"
    assert "did not end within 1 s" in report.invocations[1].error
    assert "at endings.py:" in finding.cause


@pytest.mark.parametrize("runtime", ["direct", "awslambdaric"])
async def test_a_hang_of_a_task_is_told_by_the_line_that_waits(examine, handlers, runtime):
    report = await examine("endings.awaits_for_ever", timeout=1.0, runtime=runtime)
    lines = (handlers / "endings.py").read_text().splitlines()
    (waiting,) = [number for number, line in enumerate(lines, 1) if line.endswith("# the line to blame")]
    assert f"at endings.py:{waiting}." in report.findings[0].cause


async def test_a_crash_tells_the_line(examine):
    report = await examine("endings.segfaults")
    assert "at endings.py:" in report.findings[0].cause


@pytest.mark.parametrize(
    ("handler", "error_type", "error"),
    [
        ("no_such_module.handler", "ModuleNotFoundError", "no_such_module"),
        ("endings.no_such_function", "AttributeError", "no_such_function"),
        ("endings:not_callable", "TypeError", "endings:not_callable is not callable"),
        ("exits_at_import.handler", "SystemExit", "no configuration"),
    ],
)
async def test_what_cannot_be_imported(examine, handler, error_type, error):
    report = await examine(handler)
    (invocation,) = report.invocations
    assert (report.verdict, invocation.error_type) == (Verdict.BROKEN, error_type)
    assert error in invocation.error
    assert [finding.kind for finding in report.findings] == ["import"]


async def test_a_coroutine_function_is_no_handler(examine):
    report = await examine("endings.coroutine")
    assert report.verdict is Verdict.BROKEN
    assert "coroutine function" in report.invocations[0].error
    assert [finding.kind for finding in report.findings] == ["failure"]


async def test_an_exception_that_cannot_say_what_it_is(examine):
    report = await examine("endings.raises_the_unspeakable")
    assert report.invocations[1].error_type == "UnspeakableError"
    assert "__str__ raises ValueError" in report.invocations[1].error


async def test_what_is_no_json_cannot_be_returned(examine):
    report = await examine("endings.returns_a_set")
    assert "cannot be sent as JSON" in report.invocations[1].error


async def test_what_is_too_large_cannot_be_returned(examine):
    for runtime in ("direct", "awslambdaric"):
        report = await examine("endings.returns_too_much", runtime=runtime)
        assert "7000002 bytes is larger than Lambda's limit" in report.invocations[1].error
        assert report.verdict is Verdict.BROKEN


async def test_output_and_input_are_the_childs_own(examine, capfd):
    assert (await examine("endings.noisy")).invocations[0].response == "done"
    assert (await examine("endings.reads_input")).invocations[0].response == ""
    assert capfd.readouterr() == ("", "")


async def test_a_child_looks_like_lambda(examine, handlers):
    report = await examine(
        "endings.tells_context", events=({"number": 1}, {"number": 2}), environment={"MINE": "yes"}
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
        "_HANDLER": "endings.tells_context",
        "MINE": "yes",
    }
    assert (first["folder"], first["path"], first["child"]) == (str(handlers), str(handlers), [])
    assert "MINE" not in os.environ


async def test_an_interpreter_that_is_not_there(examine):
    with pytest.raises(LaboratoryError, match="cannot be started"):
        await examine("endings.noisy", python="/no/such/python")


async def test_an_interpreter_that_is_none(examine):
    with pytest.raises(LaboratoryError, match=r"cat is no Python of 3\.11 or newer"):
        await examine("endings.noisy", python=shutil.which("cat"))


async def test_a_template_forks_as_well_as_a_fresh_process_serves():
    async with Laboratory(preload=["json", "no_such_module"]) as forked:
        report = await forked.examine(Experiment(handler="json:loads", events=["[1]"], times=1))
        again = await forked.examine(Experiment(handler="os:abort", events=[None], times=1))
    assert report.invocations[0].error_type == "TypeError"
    assert again.verdict is Verdict.BROKEN
