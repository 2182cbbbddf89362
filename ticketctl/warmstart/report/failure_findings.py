"""Findings about invocations that failed. Event loops are L1, L2 ..., connections C1, C2 ... in order of appearance."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from ticketctl.warmstart.report import source_locator
from ticketctl.warmstart.report.error_signatures import (
    CONNECTION_SIGNATURES,
    ERROR_SIGNATURES,
    LOOP_BOUND_FIX,
    ErrorSignature,
)
from ticketctl.warmstart.report.model import Finding, InvocationOutcome
from ticketctl.warmstart.runner.invocation_result import InvocationResult

MAX_QUOTE = 160
"""Characters of an error's text that a finding quotes."""
MAX_CONNECTIONS = 2
"""Connections that a finding lists."""
FALSE_FIXES = "pool_pre_ping, pool_recycle, a bigger pool and uvloop do not fix it."

PRE_PING = Finding(
    kind="false-cure",
    cause="After each failure the pool discards the dead connection, so the next invocation opens a new one on its own "
    "event loop and succeeds, and the one after that gets a dead connection again. pool_pre_ping causes exactly this "
    "pattern: its check uses the closed event loop as well.",
    fix="pool_pre_ping is right for connections that the server closed, on an event loop that persists. "
    + LOOP_BOUND_FIX,
)
UVLOOP = Finding(
    kind="false-cure",
    cause="The event loop is uvloop's, which closes its handles with the loop. Only the error's text differs; the "
    "connection is as dead as on asyncio's event loop.",
    fix="uvloop makes event loops faster; it does not make them live longer. " + LOOP_BOUND_FIX,
)
RECYCLING = Finding(
    kind="false-cure",
    cause="The server sees one connection at a time, but the process keeps the socket of each connection that was "
    "replaced: the event loop that could close the socket is gone. pool_recycle has this effect.",
    fix="pool_recycle replaces connections by age; it cannot close them on an event loop that is gone. "
    + LOOP_BOUND_FIX,
)

CLOSED_CONNECTION_FIX = (
    "Let the pool check a connection before it hands it out (SQLAlchemy: pool_pre_ping=True, which needs an event loop "
    "that persists; psycopg_pool: check=), or reconnect and retry; or use a new connection for each invocation."
)
SILENT_CONNECTION_FIX = (
    "Put a timeout around every call (asyncio.timeout, or the client's own timeout), including connecting and waiting "
    "for the pool, and retry once on a new connection; pool_pre_ping alone waits for an answer as well."
)
EXPIRY_FIX = (
    "Fix the code that raised it. It failed because time passed while no connection was open: look for a timer that was "
    "left armed, a deadline, or a token that expired."
)
COLD_FIX = "Fix the code that raised it; the error is not about an event loop or a connection."
WARM_FIX = (
    "Fix the code that raised it. The error is no known sign of an event loop or a connection, but the first invocation "
    "succeeded: check which state the process keeps between invocations, and how their events differ."
)
PROCESS_ENDS = {
    "import": ("The handler could not be imported", "Fix the import; the handler was never invoked."),
    "exit": (
        "The process exited",
        "Return or raise instead of exiting: after an exit, Lambda starts a new environment.",
    ),
    "crash": (
        "The process crashed",
        "Read the stack above: native code used memory or a handle that was already freed.",
    ),
    "fork": (
        "Two processes answered",
        "End the forked child with os._exit() before the handler returns in it; or use subprocess, which never returns.",
    ),
    "hang": (
        "The handler hung",
        "Put a timeout on what it waits for: asyncio.timeout in a coroutine, the call's own timeout elsewhere.",
    ),
}


def find_failures(results: Sequence[InvocationResult], folder: Path | None = None) -> Iterator[Finding]:
    """Yield a finding for each kind of failure among invocations that were not ok.

    folder: the handler's folder, in which the lines of its source are.
    """
    groups: dict[str, list[InvocationResult]] = {}
    for result in results:
        for kind in _classify(result):
            groups.setdefault(kind, []).append(result)
    for kind, members in groups.items():
        yield _describe_failure(kind, members, folder)


def _classify(result: InvocationResult) -> list[str]:
    if result.process_end:
        return [result.process_end]
    if result.response_error:
        return ["response"]
    return list(dict.fromkeys(signature.kind for signature in _match_signatures(result))) or ["failure"]


def _match_signatures(result: InvocationResult) -> list[ErrorSignature]:
    swallowed = [one["error"] for one in result.swallowed]
    text = "\n".join(
        [result.invocation.error or "", *(error for _, error in result.chain), *swallowed, result.printed]
    )
    return [signature for signature in ERROR_SIGNATURES if signature.pattern.search(text)]


def _describe_failure(kind: str, members: Sequence[InvocationResult], folder: Path | None) -> Finding:
    first = members[0]
    signature = next(
        (one for one in _match_signatures(first) if one.kind == kind or kind in PROCESS_ENDS), None
    )
    error = f"{list_numbers(members)}{_describe_error(first, signature)}"
    if kind in PROCESS_ENDS:
        text, fix = PROCESS_ENDS[kind]
        return Finding(kind=kind, cause=f"{text}: {error}.", fix=fix)
    if kind == "response":
        return Finding(
            kind=kind,
            cause=f"{first.response_error} ({list_numbers(members)}).",
            fix='Return {"batchItemFailures": [{"itemIdentifier": messageId}, ...]} with ids of the batch only.',
        )
    if signature is not None and kind == "closed-loop" and (line := _find_own_close(first, folder)):
        return Finding(
            kind=kind,
            cause=f"{error}: the handler closed its thread's event loop itself, at {line}, and the next invocation got the "
            "same loop.",
            fix=f"Remove the call of loop.close() at {line}; or use asyncio.run(), which creates and closes an event loop "
            "for each invocation.",
        )
    if signature is not None:
        fix = signature.fix or f"{LOOP_BOUND_FIX} {FALSE_FIXES}"
        line = _find_closing(first, folder) if kind == "closed-object" else None
        closed = f"; it is closed at {line}" if line else ""
        return Finding(kind=kind, cause=f"{error}: {signature.cause}{closed}.", fix=fix)
    return Finding(
        kind="failure", cause=f"{error}.", fix=COLD_FIX if first.invocation.number == 1 else WARM_FIX
    )


def list_numbers(members: Sequence[InvocationResult]) -> str:
    """Return the invocations' numbers in words: "invocations 2, 4"."""
    numbers = [str(result.invocation.number) for result in members]
    return f"invocation{'s' if len(numbers) > 1 else ''} {', '.join(numbers)}"


def _describe_error(result: InvocationResult, signature: ErrorSignature | None = None) -> str:
    """Return the invocation's error in short; the invocation itself has the whole text."""
    errors = [(result.invocation.error_type, result.invocation.error), *result.chain]
    if errors[0][0] is None:
        errors = [*result.chain, *((one["error_type"], one["error"]) for one in result.swallowed)] or errors
    matching = [
        (name, text) for name, text in errors if text and signature and signature.pattern.search(text)
    ]
    name, text = (matching or errors)[0]
    if name is None:
        return _describe_silent_failure(result, signature)
    line = result.raised_at or next(
        (one["raised_at"] for one in result.swallowed if one["error"] == text), None
    )
    at = f", at {line}" if line else ""
    text = text or ""
    if result.process_end:
        text = text.partition("\n")[0]  # the following lines are the last output of the process
    how = f" {_describe_response(result)} after" if result.invocation.error_type is None else " failed with"
    return f"{how} {name}{': ' if text else ''}{_shorten(text, signature)}{at}"


def _describe_response(result: InvocationResult) -> str:
    response = result.invocation.response
    status = response.get("statusCode") if isinstance(response, dict) else None
    return "returned records as failed" if status is None else f"answered with HTTP status {status}"


def _describe_silent_failure(result: InvocationResult, signature: ErrorSignature | None) -> str:
    """Describe a failure without an exception: stdout is the log on Lambda, so its last line may say more."""
    lines = [line.strip() for line in result.printed.splitlines() if line.strip()]
    matching = [line for line in lines if signature and signature.pattern.search(line)]
    text = (matching or lines[-1:] or [""])[0]
    said = f"printed {_shorten(text, signature)!r}" if text else "logged and printed nothing"
    return f" {_describe_response(result)} and {said}"


def _find_place(result: InvocationResult) -> str | None:
    """Return the line that raised the error: the one that the invocation raised, or else swallowed."""
    return result.raised_at or next((one["raised_at"] for one in result.swallowed if one["raised_at"]), None)


def _find_own_close(result: InvocationResult, folder: Path | None) -> str | None:
    """Return the line at which the handler closed the loop on which it then tried to run a coroutine."""
    place = _find_place(result)
    if result.loop_closed_at is None or place is None:
        return None
    code = source_locator.read_line(folder, place)
    is_run = any(name in code for name in ("run_until_complete", "run_forever", ".run("))
    return result.loop_closed_at if is_run else None


def _find_closing(result: InvocationResult, folder: Path | None) -> str | None:
    """Return the line that closes an object in the file through which the error came."""
    place = _find_place(result)
    shown = place.rpartition(":")[0] if place else ""
    line = source_locator.find_closing(str((folder or Path()) / shown)) if shown else None
    return f"{shown}:{line}" if line else None


def _shorten(text: str, signature: ErrorSignature | None) -> str:
    """Return an error's text on one line without the SQL it quotes; of a long text, the part with the signature."""
    line = " ".join(text.partition("\n[SQL:")[0].split())
    if len(line) <= MAX_QUOTE:
        return line
    match = signature.pattern.search(line) if signature else None
    if match is None:
        return f"{line[:MAX_QUOTE]} ..."
    return f"... {line[max(0, match.end() - MAX_QUOTE // 2) : match.end()]}"


def describe_thaw(
    thaw: InvocationResult, connections: Mapping[str, int], *, freeze: str | None, seconds: float
) -> Finding:
    """Return the finding about the first invocation after a freeze, which failed; all before it succeeded.

    connections: those that were open before, in words.
    freeze: what happened to its connections: "silent", "kept", else they were closed. seconds: how long it lasted.
    """
    events = {"silent": "its connections went silent", "kept": "its timers and deadlines ran on"}
    had_connections = bool(connections) or "connection" in (thaw.invocation.error or "").lower()
    closing = "the server closed its connections" if had_connections else events["kept"]
    event = events.get(freeze or "", closing)
    time = f" for {seconds:.1f} s" if seconds else ""
    opened = f" It held {' and '.join(list(connections)[:MAX_CONNECTIONS])}." if connections else ""
    return Finding(
        kind="thaw",
        cause=f"While the process was frozen{time}, {event}, and the next invocation{_describe_error(thaw)}. All earlier "
        f"invocations succeeded.{opened}",
        fix=_choose_thaw_fix(thaw, freeze, had_connections=had_connections),
    )


def _choose_thaw_fix(thaw: InvocationResult, freeze: str | None, *, had_connections: bool) -> str:
    if freeze == "silent" or thaw.process_end == "hang":
        return SILENT_CONNECTION_FIX
    return CLOSED_CONNECTION_FIX if had_connections else EXPIRY_FIX


def find_false_fixes(
    results: Sequence[InvocationResult], failures: Sequence[InvocationResult]
) -> Iterator[Finding]:
    """Yield the false fixes whose pattern the outcomes show."""
    if not any(one in CONNECTION_SIGNATURES for result in failures for one in _match_signatures(result)):
        return
    is_ok = [result.invocation.outcome is InvocationOutcome.OK for result in results]
    if any(later and not earlier for earlier, later in pairwise(is_ok)):
        yield PRE_PING
    if any("the handler is closed" in text for result in failures for _, text in result.chain):
        yield UVLOOP
