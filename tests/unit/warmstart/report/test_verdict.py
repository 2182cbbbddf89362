import pytest

from ticketctl.warmstart.report.model import Invocation, InvocationOutcome, Verdict
from ticketctl.warmstart.report.verdict import is_growing, judge_session
from ticketctl.warmstart.runner.invocation_result import InvocationResult, interpret
from ticketctl.warmstart.runner.session_data import Session

EVENT = {"Records": [{"messageId": name, "eventSource": "aws:sqs"} for name in ("a", "b")]}


@pytest.mark.parametrize(
    "counts",
    [
        [1, 2],
        [1, 2, 3],
        [1, 2, 3, 4, 5],
        [0, 1, 1, 2, 2],
        [1, 1, 2, 2, 3],
        [3, 6, 9, 12, 15],
        list(range(20)),
    ],
)
def test_a_count_that_keeps_growing(counts):
    assert is_growing(counts)


@pytest.mark.parametrize(
    "counts",
    [[], [7], [1, 1], [2, 1], [1, 2, 2], [1, 2, 3, 3, 3], [1, 1, 1, 1, 2], [1, 2, 1, 2, 3], [5, 5, 5, 5, 5]],
)
def test_a_count_that_stops_growing(counts):
    assert not is_growing(counts)


def make_error(error_type="RuntimeError", error="it broke"):
    return {"error_type": error_type, "error": error, "raised_at": "app.py:3", "chain": [(error_type, error)]}


def make_log(exception, message_id=None):
    return {"message_id": message_id, "exception": exception}


def make_answer(response=None, error=None, logs=()):
    return {
        "duration_ms": 1.0,
        "response": response,
        "error": error,
        "logged": list(logs),
        "captured_log": [],
        "printed": "",
        "swallowed": [],
        "loop_closed_at": None,
        "cost": None,
        "forked_at": None,
    }


def make_response(*names):
    return {"batchItemFailures": [{"itemIdentifier": name} for name in names]}


def test_the_raised_exception_is_the_error():
    result = interpret(
        1, EVENT, make_answer(error=make_error(), logs=[make_log(make_error("KeyError", "x"), "a")])
    )
    assert result.invocation.outcome is InvocationOutcome.ERROR
    assert (result.invocation.error_type, result.invocation.error) == ("RuntimeError", "it broke")
    assert [record.outcome for record in result.invocation.records] == [InvocationOutcome.FAILED] * 2


def test_an_exception_logged_about_a_message_comes_before_other_logged_exceptions():
    logs = [make_log(make_error("OSError", "elsewhere")), make_log(make_error("KeyError", "x"), "b")]
    result = interpret(1, EVENT, make_answer(make_response("b"), logs=logs))
    assert result.invocation.outcome is InvocationOutcome.PARTIAL
    assert result.invocation.error_type == "KeyError"
    assert [record.error_type for record in result.invocation.records] == [None, "KeyError"]


def test_a_logged_exception_explains_returned_records():
    result = interpret(1, EVENT, make_answer(make_response("a", "b"), logs=[make_log(make_error())]))
    assert result.invocation.outcome is InvocationOutcome.ERROR
    assert result.invocation.error == "it broke"


def test_a_logged_exception_alone_does_not_fail_an_invocation():
    result = interpret(1, EVENT, make_answer(make_response(), logs=[make_log(make_error())]))
    assert result.invocation.outcome is InvocationOutcome.OK
    assert result.invocation.error is None


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, InvocationOutcome.OK), (404, InvocationOutcome.OK), (500, InvocationOutcome.ERROR)],
)
def test_a_response_with_status_500_or_more_is_an_error(status, outcome):
    assert interpret(1, {}, make_answer({"statusCode": status})).invocation.outcome is outcome


def make_result(outcome=InvocationOutcome.OK, number=1, captured_log=()):
    return InvocationResult(
        invocation=Invocation(number=number, outcome=outcome, duration_ms=1.0, captured_log=captured_log)
    )


def make_session(*outcomes, sockets=(0, 0, 0), backends=(), thaw=None, **counts):
    return Session(
        results=[make_result(outcome, number) for number, outcome in enumerate(outcomes, 1)],
        counts={"connections": list(sockets)} | counts,
        backends=list(backends),
        thaw=make_result(thaw) if thaw else None,
    )


def test_the_worst_sign_decides_the_verdict():
    ok = [InvocationOutcome.OK] * 3
    assert judge_session(make_session(*ok)) is Verdict.SAFE
    assert judge_session(make_session(*ok, thaw=InvocationOutcome.ERROR)) is Verdict.FRAGILE
    assert (
        judge_session(make_session(*ok, sockets=(1, 2, 3), thaw=InvocationOutcome.ERROR)) is Verdict.LEAKING
    )
    assert (
        judge_session(make_session(*ok[1:], InvocationOutcome.PARTIAL, sockets=(1, 2, 3))) is Verdict.BROKEN
    )


@pytest.mark.parametrize("what", ["descriptors", "loops", "threads"])
def test_any_growing_count_is_a_leak(what):
    assert judge_session(make_session(*[InvocationOutcome.OK] * 3, **{what: [1, 2, 3]})) is Verdict.LEAKING


def test_a_backend_without_a_socket_counts_as_a_connection():
    assert judge_session(make_session(*[InvocationOutcome.OK] * 3, backends=(1, 2, 3))) is Verdict.LEAKING


def test_a_destroyed_pending_task_makes_the_verdict_masked():
    lost = Session(results=[make_result(captured_log=["asyncio: Task was destroyed but it is pending!"])])
    assert judge_session(lost) is Verdict.MASKED
