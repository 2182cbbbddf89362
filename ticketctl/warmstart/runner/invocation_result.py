"""The result of one invocation: the child's answer, interpreted as AWS interprets it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ticketctl.warmstart.child.ipc import ErrorInfo, InvocationAnswer, InvocationCost, LoggedError
from ticketctl.warmstart.report import batch_response
from ticketctl.warmstart.report.model import Invocation, InvocationOutcome, Record

SERVER_ERROR = 500
"""The first HTTP status that means that the server failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InvocationResult:
    """One invocation, with what only findings need to know of it.

    chain: (class, text) of every exception that it raised or logged, and of those behind them.
    logged_at: the user's line that the logged ones came through, where it is known.
    raised_at: the innermost line of the user's code in the traceback of the first of them, as `file:line`.
    response_error: what AWS makes of an SQS response that has the wrong form.
    process_end: how the process ended, if it did: "import", "exit", "crash", "hang"; or "fork": a forked child returned
        from the handler, too.
    printed: the end of what it wrote on standard output and error.
    swallowed: exceptions that the user's code caught and did not raise again, and that it did not log.
    loop_closed_at: the user's line that closed an event loop by itself, up to this invocation.
    cost: what it used.
    """

    invocation: Invocation
    chain: tuple[tuple[str, str], ...] = ()
    logged_at: Mapping[tuple[str, str], str] = field(default_factory=dict)
    raised_at: str | None = None
    response_error: str | None = None
    process_end: str | None = None
    printed: str = ""
    swallowed: tuple[ErrorInfo, ...] = ()
    loop_closed_at: str | None = None
    cost: InvocationCost | None = None


def interpret(number: int, event: object, answer: InvocationAnswer) -> InvocationResult:
    """Return the result of an invocation. Why records were returned is known from what the handler logged."""
    raised = answer["error"] or (_fork_error(answer["forked_at"]) if answer["forked_at"] else None)
    logged = [(one["message_id"], one["exception"]) for one in answer["logged"] if one["exception"]]
    reading = batch_response.interpret_response(event, answer["response"])
    returned = frozenset(reading.message_ids) if raised else reading.failed_ids
    first = raised or _first_logged(answer["logged"])
    by_message = {message_id: error for message_id, error in reversed(logged) if message_id}
    outcome = _outcome(
        reading.message_ids, returned, failed=bool(raised) or _is_server_error(answer["response"])
    )
    if outcome is InvocationOutcome.OK:
        first = None  # what a library logs about an error that it has handled is no failure of the invocation
    invocation = Invocation(
        number=number,
        outcome=outcome,
        duration_ms=round(answer["duration_ms"], 3),
        response=answer["response"],
        records=[_record(message, returned, by_message.get(message)) for message in reading.message_ids],
        error_type=first and first["error_type"],
        error=first and first["error"],
        captured_log=answer["captured_log"],
    )
    chain = _join_chains([*([raised] if raised else []), *(error for _, error in logged)])
    exits = raised is not None and raised["error_type"] in ("SystemExit", "KeyboardInterrupt")
    return InvocationResult(
        invocation=invocation,
        chain=chain,
        logged_at={
            (one["error_type"], one["error"]): one["raised_at"] for _, one in logged if one["raised_at"]
        },
        raised_at=first and first["raised_at"],
        response_error=reading.error,
        process_end="fork" if answer["forked_at"] else "exit" if exits else None,
        printed=answer["printed"],
        swallowed=tuple(one for one in answer["swallowed"] if (one["error_type"], one["error"]) not in chain),
        loop_closed_at=answer["loop_closed_at"],
        cost=answer["cost"],
    )


def _fork_error(line: str) -> ErrorInfo:
    """Return the error of an invocation whose forked child has returned from the handler: on Lambda both answer it."""
    text = "a child process that os.fork() made returned from the handler as well"
    return {"error_type": "Runtime.ExitError", "error": text, "raised_at": line, "chain": []}


def failed_result(
    number: int, error_type: str, text: str, *, raised_at: str | None, process_end: str
) -> InvocationResult:
    """Return the result of an invocation that has no answer: the process ended, or hung."""
    return InvocationResult(
        invocation=_failed_invocation(number, error_type, text), raised_at=raised_at, process_end=process_end
    )


def result_of_error(number: int, error: ErrorInfo, process_end: str | None) -> InvocationResult:
    """Return the result for an error outside of the handler: in the import, or in a hook."""
    return InvocationResult(
        invocation=_failed_invocation(number, error["error_type"], error["error"]),
        chain=_join_chains([error]),
        raised_at=error["raised_at"],
        process_end=process_end,
    )


def _failed_invocation(number: int, error_type: str, error: str) -> Invocation:
    return Invocation(
        number=number, outcome=InvocationOutcome.ERROR, duration_ms=0.0, error_type=error_type, error=error
    )


def _first_logged(logged: Sequence[LoggedError]) -> ErrorInfo | None:
    """Return the first exception logged about a message, else the first one logged at all."""
    about_messages_first = sorted(logged, key=lambda one: one["message_id"] is None)
    return next((one["exception"] for one in about_messages_first if one["exception"]), None)


def _is_server_error(response: Any) -> bool:
    """Whether a web client would see a failure: frameworks turn the exceptions that they catch into status 500."""
    status = response.get("statusCode") if isinstance(response, dict) else None
    return isinstance(status, int) and status >= SERVER_ERROR


def _outcome(messages: tuple[str, ...], returned: frozenset[str], *, failed: bool) -> InvocationOutcome:
    if failed or (messages and returned >= set(messages)):
        return InvocationOutcome.ERROR
    return InvocationOutcome.PARTIAL if returned else InvocationOutcome.OK


def _record(message: str, returned: frozenset[str], error: ErrorInfo | None) -> Record:
    return Record(
        message_id=message,
        outcome=InvocationOutcome.FAILED if message in returned else InvocationOutcome.OK,
        error_type=error and error["error_type"],
        error=error and error["error"],
    )


def _join_chains(errors: Sequence[ErrorInfo]) -> tuple[tuple[str, str], ...]:
    return tuple((kind, text) for error in errors for kind, text in error["chain"])
