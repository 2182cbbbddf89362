import pytest

from ticketctl.warmstart.report.model import Invocation, InvocationOutcome, Verdict
from ticketctl.warmstart.report.verdict import grows, judge
from ticketctl.warmstart.runner.session import InvocationResult, Session, interpret

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
def test_a_count_grows(counts):
    assert grows(counts)


@pytest.mark.parametrize(
    "counts",
    [[], [7], [1, 1], [2, 1], [1, 2, 2], [1, 2, 3, 3, 3], [1, 1, 1, 1, 2], [1, 2, 1, 2, 3], [5, 5, 5, 5, 5]],
)
def test_a_count_settles(counts):
    assert not grows(counts)


def told(error_type="RuntimeError", error="it broke"):
    return {"error_type": error_type, "error": error, "where": "app.py:3", "chain": [(error_type, error)]}


def logged(exception, message_id=None):
    return {"message_id": message_id, "exception": exception}


def answer(response=None, error=None, logs=()):
    return {"duration_ms": 1.0, "response": response, "error": error, "logged": list(logs), "heard": []}


def returned(*names):
    return {"batchItemFailures": [{"itemIdentifier": name} for name in names]}


def test_what_is_raised_is_the_error():
    tried = interpret(1, EVENT, answer(error=told(), logs=[logged(told("KeyError", "x"), "a")]))
    assert tried.invocation.outcome is InvocationOutcome.ERROR
    assert (tried.invocation.error_type, tried.invocation.error) == ("RuntimeError", "it broke")
    assert [record.outcome for record in tried.invocation.records] == [InvocationOutcome.FAILED] * 2


def test_what_was_logged_about_a_message_goes_before_what_was_logged_else():
    logs = [logged(told("OSError", "elsewhere")), logged(told("KeyError", "x"), "b")]
    tried = interpret(1, EVENT, answer(returned("b"), logs=logs))
    assert tried.invocation.outcome is InvocationOutcome.PARTIAL
    assert tried.invocation.error_type == "KeyError"
    assert [record.error_type for record in tried.invocation.records] == [None, "KeyError"]


def test_what_was_logged_about_no_message_still_tells_why_records_came_back():
    tried = interpret(1, EVENT, answer(returned("a", "b"), logs=[logged(told())]))
    assert tried.invocation.outcome is InvocationOutcome.ERROR
    assert tried.invocation.error == "it broke"


def test_a_library_that_logs_what_it_has_dealt_with_fails_nothing():
    tried = interpret(1, EVENT, answer(returned(), logs=[logged(told())]))
    assert tried.invocation.outcome is InvocationOutcome.OK
    assert tried.invocation.error is None


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, InvocationOutcome.OK), (404, InvocationOutcome.OK), (500, InvocationOutcome.ERROR)],
)
def test_a_web_client_sees_a_failure_from_500_on(status, outcome):
    assert interpret(1, {}, answer({"statusCode": status})).invocation.outcome is outcome


def a_try(outcome=InvocationOutcome.OK, number=1, heard=()):
    return InvocationResult(
        invocation=Invocation(number=number, outcome=outcome, duration_ms=1.0, heard=heard)
    )


def course(*outcomes, sockets=(0, 0, 0), backends=(), thaw=None, **counts):
    return Session(
        results=[a_try(outcome, number) for number, outcome in enumerate(outcomes, 1)],
        counts={"connections": list(sockets)} | counts,
        backends=list(backends),
        thaw=a_try(thaw) if thaw else None,
    )


def test_the_worst_is_the_verdict():
    ok = [InvocationOutcome.OK] * 3
    assert judge(course(*ok)) is Verdict.SAFE
    assert judge(course(*ok, thaw=InvocationOutcome.ERROR)) is Verdict.FRAGILE
    assert judge(course(*ok, sockets=(1, 2, 3), thaw=InvocationOutcome.ERROR)) is Verdict.LEAKING
    assert judge(course(*ok[1:], InvocationOutcome.PARTIAL, sockets=(1, 2, 3))) is Verdict.BROKEN


@pytest.mark.parametrize("what", ["descriptors", "loops", "threads"])
def test_whatever_grows_leaks(what):
    assert judge(course(*[InvocationOutcome.OK] * 3, **{what: [1, 2, 3]})) is Verdict.LEAKING


def test_a_backend_without_a_socket_counts_as_a_connection():
    assert judge(course(*[InvocationOutcome.OK] * 3, backends=(1, 2, 3))) is Verdict.LEAKING


def test_a_task_that_was_destroyed_unfinished_masks_a_failure():
    lost = Session(results=[a_try(heard=["asyncio: Task was destroyed but it is pending!"])])
    assert judge(lost) is Verdict.MASKED
