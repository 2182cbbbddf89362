from dataclasses import replace

import pytest

from ticketctl.warmstart.report import failure_findings, leak_findings
from ticketctl.warmstart.report.model import Invocation, InvocationOutcome, Leftover
from ticketctl.warmstart.runner.invocation_result import InvocationResult


def make_results(*errors):
    return [
        InvocationResult(
            invocation=Invocation(
                number=number,
                outcome=InvocationOutcome.ERROR if error else InvocationOutcome.OK,
                duration_ms=1.0,
                error_type=error and "RuntimeError",
                error=error,
            ),
            chain=(("RuntimeError", error),) if error else (),
        )
        for number, error in enumerate(errors, 1)
    ]


def kinds(*errors):
    return [
        finding.kind
        for finding in failure_findings.find_failures(
            [one for one in make_results(*errors) if one.invocation.error]
        )
    ]


def test_each_kind_of_failure_is_one_finding_with_its_invocations():
    failed = make_results(
        None, "x attached to a different loop", "another operation is in progress", "y different loop"
    )[1:]
    first, second = failure_findings.find_failures(failed)
    assert (first.kind, second.kind) == ("different-loop", "busy-connection")
    assert first.cause.startswith("invocations 2, 4 failed with RuntimeError")
    assert "pool_pre_ping" in first.fix


def test_an_unknown_error_is_a_finding_of_kind_failure():
    assert kinds(None, "no such customer") == ["failure"]


def test_both_texts_of_a_closed_loop_are_known():
    assert kinds(
        "Event loop is closed", "unable to perform operation on <UnixTransport>; the handler is closed"
    ) == ["closed-loop"]


def test_a_missing_current_loop_has_its_own_cause_and_fix():
    (failed,) = make_results("There is no current event loop in thread 'MainThread'.")
    (finding,) = failure_findings.find_failures([failed])
    assert finding.kind == "no-current-loop"
    assert "asyncio.run() and asyncio.Runner set a current loop of their own, close it" in finding.cause
    assert "Mangum" in finding.fix
    assert "pool_pre_ping" not in finding.fix


@pytest.mark.parametrize(
    "error",
    [
        'prepared statement "__asyncpg_stmt_1__" already exists',
        'prepared statement "__asyncpg_stmt_1__" does not exist',
        "unnamed prepared statement does not exist",
    ],
)
def test_prepared_statement_errors_mean_a_pooler(error):
    (finding,) = failure_findings.find_failures(make_results(error))
    assert finding.kind == "other-backend"
    assert "PgBouncer" in finding.cause
    assert '"statement_cache_size": 0' in finding.fix
    assert "pool_pre_ping" not in finding.fix


def list_false_fixes(*errors):
    every = make_results(*errors)
    return [
        one.cause
        for one in failure_findings.find_false_fixes(every, [one for one in every if one.invocation.error])
    ]


def test_alternating_outcomes_show_a_false_fix():
    (cause,) = list_false_fixes(None, "different loop", None, "different loop")
    assert "pool_pre_ping" in cause


def test_a_primitive_that_alternates_has_no_false_fix():
    bound = "<Event> is bound to a different event loop"
    assert list_false_fixes(None, bound, None, bound) == []
    (finding,) = failure_findings.find_failures(make_results(None, bound)[1:])
    assert "pool" not in finding.fix


def test_the_fix_of_an_unknown_error_depends_on_the_first_invocation():
    (cold,), (warm,) = (
        failure_findings.find_failures(make_results(*errors)[-1:]) for errors in [("no",), (None, "no")]
    )
    assert "not about an event loop or a connection" in cold.fix
    assert "the process keeps between invocations" in warm.fix


def test_an_error_without_a_text_is_named_by_its_class():
    (failed,) = make_results("text")
    invocation = replace(failed.invocation, error_type="StopAsyncIteration", error="")
    (finding,) = failure_findings.find_failures([InvocationResult(invocation=invocation)])
    assert "failed with StopAsyncIteration." in finding.cause


def test_a_long_error_is_quoted_around_its_signature():
    text = f"Task {'x' * 300} attached to a different loop"
    (failed,) = (replace(one, process_end="import") for one in make_results(text))
    (finding,) = failure_findings.find_failures([failed])
    assert (finding.kind, "attached to a different loop" in finding.cause) == ("import", True)


def test_permanent_or_unrelated_failures_show_no_false_fix():
    assert list_false_fixes(None, "different loop", "different loop") == []
    assert list_false_fixes(None, "no such customer", None, "no such customer") == []


def test_the_error_of_uvloop_shows_a_false_fix():
    (cause,) = list_false_fixes(None, "unable to perform operation on <UnixTransport>; the handler is closed")
    assert "uvloop" in cause


def leftover(owner, kept_at, peer="localhost:5432", kind="transport"):
    return Leftover(
        invocation=1,
        type="asyncpg.Connection",
        owner=owner,
        peer=peer,
        created_at="app.py:9",
        kind=kind,
        loop=1,
        kept_at=kept_at,
    )


def test_leftovers_of_one_owner_are_one_finding():
    found = list(
        leak_findings.find_leftovers(
            [
                leftover("app.engine.pool[0]", "app.py:3"),
                leftover("app.engine.pool[1]", "app.py:3"),
                leftover("app.lock", "app.py:5", peer=None, kind="primitive"),
            ]
        )
    )
    assert len(found) == 2
    assert (
        "C1 (asyncpg.Connection to localhost:5432) was opened on event loop L1 at app.py:9" in found[0].cause
    )
    assert "app.engine.pool[0] (made at app.py:3)" in found[0].cause
    assert "2 such objects" in found[0].cause


def test_a_leak_names_its_largest_group():
    (finding,) = leak_findings.find_leaks(
        {"connections": [1, 2, 3], "descriptors": [1, 2, 3]},
        {"connections": {"a connection to localhost:1, from app.py:4": 2, "a connection to localhost:2": 1}},
    )
    assert "1, 2, 3. Most of them: a connection to localhost:1, from app.py:4 (2)" in finding.cause


@pytest.mark.parametrize(
    ("collected", "words"), [(1, "freed 29 of the 30: nothing refers to these"), (30, ""), (None, "")]
)
def test_a_leak_of_garbage_says_that_the_collector_frees_it(collected, words):
    counts = {} if collected is None else {"connections": collected}
    (finding,) = leak_findings.find_leaks({"connections": list(range(1, 31))}, {}, counts)
    assert words in finding.cause
    assert ("A garbage collection" in finding.cause) is bool(words)


def test_the_fix_of_a_failed_thaw_depends_on_how_connections_were_lost():
    (lost,) = make_results("connection was closed")
    assert "pool_pre_ping=True" in failure_findings.describe_thaw(lost, {}, freeze="closed", seconds=0.0).fix
    assert (
        "asyncio.timeout"
        in failure_findings.describe_thaw(
            lost, {"a connection to db:1, from app.py:2": 1}, freeze="silent", seconds=2.0
        ).fix
    )


def test_a_failed_thaw_without_connections_is_about_time():
    (late,) = make_results("Deadline: took too long")
    finding = failure_findings.describe_thaw(late, {}, freeze="closed", seconds=3.0)
    assert "its timers and deadlines ran on" in finding.cause
    assert "a timer that was left armed" in finding.fix
