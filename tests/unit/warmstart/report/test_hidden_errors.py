"""Errors that only warm invocations have, and failures whose cause is only printed or caught."""

import pytest

from ticketctl.warmstart.report.failure_findings import find_failures
from ticketctl.warmstart.report.hidden_error_findings import find_hidden_errors
from ticketctl.warmstart.report.model import Invocation, InvocationOutcome, Verdict
from ticketctl.warmstart.report.verdict import judge_session
from ticketctl.warmstart.runner.invocation_result import InvocationResult
from ticketctl.warmstart.runner.session_data import Session

CLOSED = "Event loop is closed"


def result(number, *, status=None, **fields):
    outcome = InvocationOutcome.ERROR if status and status >= 500 else InvocationOutcome.OK
    response = {"statusCode": status} if status else None
    invocation = Invocation(number=number, outcome=outcome, duration_ms=1.0, response=response)
    return InvocationResult(invocation=invocation, **fields)


def caught(error, kind="RuntimeError", line="app.py:9"):
    return {"error_type": kind, "error": error, "raised_at": line, "chain": [(kind, error)]}


@pytest.mark.parametrize(
    ("fields", "quote"),
    [
        ({"chain": (("RuntimeError", CLOSED),)}, "logged an error"),
        (
            {
                "chain": (("RuntimeError", CLOSED),),
                "logged_at": {("RuntimeError", CLOSED): "app.py:4"},
            },
            "RuntimeError: Event loop is closed, at app.py:4",
        ),
        ({"swallowed": (caught(CLOSED),)}, "caught and dropped an error"),
        ({"swallowed": (caught("no such tenant", "ValueError"),)}, "ValueError: no such tenant, at app.py:9"),
        ({"printed": "started\nfailed: RuntimeError: Event loop is closed\n"}, "printed an error"),
    ],
)
def test_an_error_that_only_warm_invocations_have_is_never_safe(fields, quote):
    results = [result(1), result(2, **fields), result(3, **fields)]
    (finding,) = find_hidden_errors(results)
    assert finding.kind == "hidden-error"
    assert quote in finding.cause
    assert "invocations 2, 3" in finding.cause
    assert judge_session(Session(results=results)) is Verdict.MASKED


@pytest.mark.parametrize(
    "fields",
    [
        {"swallowed": (caught("[Errno 17] File exists: '/tmp/x'", "FileExistsError"),)},
        {"printed": "processed 3 records\n"},
        {"swallowed": (caught("no module", "ModuleNotFoundError"),)},
    ],
)
def test_errors_that_code_expects_are_no_finding(fields):
    assert list(find_hidden_errors([result(1), result(2, **fields)])) == []


def test_an_error_that_the_cold_invocation_has_too_is_no_finding():
    first, second = (
        result(n, swallowed=(caught(f"attempt {n} refused", "ConnectionError"),)) for n in (1, 2)
    )
    assert list(find_hidden_errors([first, second])) == []


def test_an_error_that_one_of_several_events_causes_is_no_finding():
    refused = {"swallowed": (caught("refused", "ValueError"),)}
    results = [result(1), result(2, **refused), result(3), result(4, **refused)]
    assert list(find_hidden_errors(results, event_count=2)) == []
    assert len(list(find_hidden_errors([*results, result(5, **refused)], event_count=2))) == 1


def test_what_was_printed_and_caught_is_one_finding():
    both = {"swallowed": (caught(CLOSED),), "printed": f"error {CLOSED}\n"}
    assert len(list(find_hidden_errors([result(1), result(2, **both)]))) == 1


def test_a_5xx_response_is_described_with_what_was_caught():
    (finding,) = find_failures(
        [result(2, status=500, swallowed=(caught(CLOSED),), printed=f"error {CLOSED}\n")]
    )
    assert finding.kind == "closed-loop"
    assert (
        "invocation 2 answered with HTTP status 500 after RuntimeError: Event loop is closed" in finding.cause
    )


def test_a_5xx_response_is_described_with_what_was_printed():
    (finding,) = find_failures([result(2, status=502, printed="upstream said no\n")])
    assert "answered with HTTP status 502 and printed 'upstream said no'" in finding.cause


def test_a_5xx_response_without_any_output():
    (finding,) = find_failures([result(2, status=500)])
    assert "answered with HTTP status 500 and logged and printed nothing" in finding.cause


def failed(error, **fields):
    invocation = Invocation(
        number=2, outcome=InvocationOutcome.ERROR, duration_ms=1.0, error_type="RuntimeError", error=error
    )
    return InvocationResult(invocation=invocation, **fields)


def test_a_handler_that_closes_its_own_loop_is_told_the_line(tmp_path):
    (tmp_path / "app.py").write_text(
        "loop = asyncio.get_event_loop()\nloop.run_until_complete(main())\nloop.close()\n"
    )
    (finding,) = find_failures([failed(CLOSED, raised_at="app.py:2", loop_closed_at="app.py:3")], tmp_path)
    assert "closed its thread's event loop itself, at app.py:3" in finding.cause
    assert finding.fix.startswith("Remove the call of loop.close() at app.py:3")
    swallowed = caught(CLOSED) | {"raised_at": "app.py:2"}
    (finding,) = find_failures([failed(CLOSED, swallowed=(swallowed,), loop_closed_at="app.py:3")], tmp_path)
    assert "closed its thread's event loop itself, at app.py:3" in finding.cause
    (tmp_path / "app.py").write_text("loop = asyncio.new_event_loop()\nawait client.get('x')\nloop.close()\n")
    (finding,) = find_failures([failed(CLOSED, raised_at="app.py:2", loop_closed_at="app.py:3")], tmp_path)
    assert "closed its thread's event loop itself" not in finding.cause


def test_a_closed_pool_that_stays_in_its_variable_is_told_the_closing_line(tmp_path):
    (tmp_path / "app.py").write_text(
        "async def main():\n    try: ...\n    finally:\n        await pool.close()\n"
    )
    (finding,) = find_failures([failed("pool is closed", raised_at="app.py:2")], tmp_path)
    assert finding.kind == "closed-object"
    assert finding.cause.endswith("and this invocation used it; it is closed at app.py:4.")
