"""Findings about invocations that failed. Event loops are L1, L2 ..., connections C1, C2 ... in order of appearance."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

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


def find_failures(results: Sequence[InvocationResult]) -> Iterator[Finding]:
    """Yield a finding for each kind of failure among invocations that were not ok."""
    groups: dict[str, list[InvocationResult]] = {}
    for result in results:
        for kind in _classify(result):
            groups.setdefault(kind, []).append(result)
    for kind, members in groups.items():
        yield _describe_failure(kind, members)


def _classify(result: InvocationResult) -> list[str]:
    if result.process_end:
        return [result.process_end]
    if result.response_error:
        return ["response"]
    return list(dict.fromkeys(signature.kind for signature in _match_signatures(result))) or ["failure"]


def _match_signatures(result: InvocationResult) -> list[ErrorSignature]:
    text = "\n".join([result.invocation.error or "", *(error for _, error in result.chain)])
    return [signature for signature in ERROR_SIGNATURES if signature.pattern.search(text)]


def _describe_failure(kind: str, members: Sequence[InvocationResult]) -> Finding:
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
    if signature is not None:
        fix = signature.fix or f"{LOOP_BOUND_FIX} {FALSE_FIXES}"
        return Finding(kind=kind, cause=f"{error}: {signature.cause}.", fix=fix)
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
    matching = [
        (name, text) for name, text in errors if text and signature and signature.pattern.search(text)
    ]
    name, text = (matching or errors)[0]
    if name is None:
        return " returned records as failed and logged no exception"
    at = f", at {result.raised_at}" if result.raised_at else ""
    text = text or ""
    if result.process_end:
        text = text.partition("\n")[0]  # the following lines are the last output of the process
    return f" failed with {name}{': ' if text else ''}{_shorten(text, signature)}{at}"


def _shorten(text: str, signature: ErrorSignature | None) -> str:
    """Return an error's text on one line without the SQL it quotes; of a long text, the part with the signature."""
    line = " ".join(text.partition("\n[SQL:")[0].split())
    if len(line) <= MAX_QUOTE:
        return line
    match = signature.pattern.search(line) if signature else None
    if match is None:
        return f"{line[:MAX_QUOTE]} ..."
    return f"... {line[max(0, match.end() - MAX_QUOTE // 2) : match.end()]}"


def describe_thaw(thaw: InvocationResult, *, freeze: str | None, seconds: float) -> Finding:
    """Return the finding about the first invocation after a freeze, which failed; all before it succeeded.

    freeze: what happened to its connections: "silent", "kept", else they were closed. seconds: how long it lasted.
    """
    events = {"silent": "its connections went silent", "kept": "its timers and deadlines ran on"}
    event = events.get(freeze or "", "the server closed its connections")
    silent = freeze == "silent"
    time = f" for {seconds:.1f} s" if seconds else ""
    return Finding(
        kind="thaw",
        cause=f"While the process was frozen{time}, {event}, and the next invocation{_describe_error(thaw)}. All earlier "
        "invocations succeeded.",
        fix=SILENT_CONNECTION_FIX if silent or thaw.process_end == "hang" else CLOSED_CONNECTION_FIX,
    )


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
