from dataclasses import replace

import pytest

from ticketctl.warmstart.report import findings
from ticketctl.warmstart.report.model import Invocation, InvocationOutcome, Leftover
from ticketctl.warmstart.runner.session import InvocationResult


def tries(*errors):
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
        for finding in findings.of_failures([one for one in tries(*errors) if one.invocation.error])
    ]


def test_each_symptom_is_told_once_with_its_invocations():
    failed = tries(
        None, "x attached to a different loop", "another operation is in progress", "y different loop"
    )[1:]
    first, second = findings.of_failures(failed)
    assert (first.kind, second.kind) == ("different-loop", "busy-connection")
    assert first.cause.startswith("invocations 2, 4 got RuntimeError")
    assert "pool_pre_ping" in first.fix


def test_an_error_that_no_loop_is_to_blame_for_is_told_as_it_is():
    assert kinds(None, "no such customer") == ["failure"]


def test_the_closed_loop_is_known_by_both_texts():
    assert kinds(
        "Event loop is closed", "unable to perform operation on <UnixTransport>; the handler is closed"
    ) == ["closed-loop"]


def test_a_loop_that_was_taken_away_is_no_leftover():
    (failed,) = tries("There is no current event loop in thread 'MainThread'.")
    (finding,) = findings.of_failures([failed])
    assert finding.kind == "no-current-loop"
    assert "asyncio.run() and asyncio.Runner make a loop of their own current, close it" in finding.cause
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
def test_a_pooler_in_between_is_told_by_the_statements_of_others(error):
    (finding,) = findings.of_failures(tries(error))
    assert finding.kind == "other-backend"
    assert "PgBouncer" in finding.cause
    assert '"statement_cache_size": 0' in finding.fix
    assert "pool_pre_ping" not in finding.fix


def false_cures(*errors):
    every = tries(*errors)
    return [
        one.cause for one in findings.of_false_cures(every, [one for one in every if one.invocation.error])
    ]


def test_alternation_is_a_false_cure_at_work():
    (cause,) = false_cures(None, "different loop", None, "different loop")
    assert "pool_pre_ping" in cause


def test_a_primitive_that_alternates_has_no_pool_to_blame():
    bound = "<Event> is bound to a different event loop"
    assert false_cures(None, bound, None, bound) == []
    (finding,) = findings.of_failures(tries(None, bound)[1:])
    assert "pool" not in finding.fix


def test_an_unknown_error_after_a_sound_start_is_not_said_to_be_no_loops():
    (cold,), (warm,) = (findings.of_failures(tries(*errors)[-1:]) for errors in [("no",), (None, "no")])
    assert "no loop or connection is to blame" in cold.fix
    assert "kept from one invocation to the next" in warm.fix


def test_an_error_without_a_text_is_told_by_its_name():
    (failed,) = tries("text")
    invocation = replace(failed.invocation, error_type="StopAsyncIteration", error="")
    (finding,) = findings.of_failures([InvocationResult(invocation=invocation)])
    assert "got StopAsyncIteration." in finding.cause


def test_an_import_that_fails_for_a_loop_quotes_what_tells():
    text = f"Task {'x' * 300} attached to a different loop"
    (failed,) = (replace(one, process_end="import") for one in tries(text))
    (finding,) = findings.of_failures([failed])
    assert (finding.kind, "attached to a different loop" in finding.cause) == ("import", True)


def test_failing_for_good_or_for_other_reasons_is_none():
    assert false_cures(None, "different loop", "different loop") == []
    assert false_cures(None, "no such customer", None, "no such customer") == []


def test_uvloop_is_one_by_its_own_words():
    (cause,) = false_cures(None, "unable to perform operation on <UnixTransport>; the handler is closed")
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


def test_what_one_owner_keeps_is_one_finding():
    found = list(
        findings.of_remains(
            [
                leftover("app.engine.pool[0]", "app.py:3"),
                leftover("app.engine.pool[1]", "app.py:3"),
                leftover("app.lock", "app.py:5", peer=None, kind="primitive"),
            ]
        )
    )
    assert len(found) == 2
    assert "C1 (asyncpg.Connection to localhost:5432) came into being on L1 at app.py:9" in found[0].cause
    assert "app.engine.pool[0] (made at app.py:3)" in found[0].cause
    assert "2 such" in found[0].cause


def test_growth_names_what_is_left_most():
    (finding,) = findings.of_growth(
        {"connections": [1, 2, 3], "descriptors": [1, 2, 3]},
        {"connections": {"a connection to localhost:1, from app.py:4": 2, "a connection to localhost:2": 1}},
    )
    assert "1, 2, 3. Most of them: a connection to localhost:1, from app.py:4 (2)" in finding.cause


def test_the_thaw_names_its_cure():
    (lost,) = tries("connection was closed")
    assert "pool_pre_ping=True" in findings.of_thaw(lost, silent=False, sound=True).fix
    assert "asyncio.timeout" in findings.of_thaw(lost, silent=True, sound=True).fix
