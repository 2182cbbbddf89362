"""Findings about errors of warm invocations that looked successful: logged, printed, or caught and dropped.

An error that the cold invocation has as well is a part of what the handler does; one that only warm invocations have
comes from what the process keeps.
"""

import re
from collections.abc import Iterator, Sequence

from ticketctl.warmstart.report.error_signatures import ERROR_SIGNATURES, LOOP_BOUND_FIX
from ticketctl.warmstart.report.failure_findings import list_numbers
from ticketctl.warmstart.report.model import Finding, InvocationOutcome
from ticketctl.warmstart.runner.invocation_result import InvocationResult

MAX_QUOTE = 300
ERROR_LINE = re.compile(
    r"\b[A-Z]\w*(Error|Exception)\b|^Traceback \(most recent call last\)|\berror\b", re.MULTILINE
)
"""A printed line that reports an error."""
NUMBER = re.compile(r"0x[0-9a-f]+|\d+")
HANDLED_BY_DESIGN = frozenset(
    {
        "AttributeError",
        "BlockingIOError",
        "ConditionalCheckFailedException",
        "Empty",
        "FileExistsError",
        "FileNotFoundError",
        "Full",
        "ImportError",
        "IntegrityError",
        "ModuleNotFoundError",
        "ProcessLookupError",
        "UniqueViolation",
        "UniqueViolationError",
    }
)
"""Exceptions that code usually catches because it expects them: something exists already, or does not yet."""


def find_hidden_errors(results: Sequence[InvocationResult], event_count: int = 1) -> Iterator[Finding]:
    """Yield a finding for each error that only warm invocations have, and that their responses do not show.

    event_count: events that the invocations get in turn. An invocation is compared with the first one that got the
    same event: an error that the event causes is there as well.
    """
    if not results or results[0].invocation.outcome is not InvocationOutcome.OK:
        return
    baselines = [{_normalize(text) for _, text, _ in _list_errors(one)} for one in results[:event_count]]
    groups: dict[str, list[tuple[InvocationResult, str, str, str | None]]] = {}
    for index, result in enumerate(results[event_count:]):
        if result.invocation.outcome is InvocationOutcome.OK and result.process_end is None:
            for how, text, line in _list_errors(result):
                if _normalize(text) not in baselines[index % event_count]:
                    groups.setdefault(_normalize(text), []).append((result, how, text, line))
    seen: set[int] = set()
    for members in groups.values():
        result, how, text, line = members[0]
        if result.invocation.number in seen and how == "printed":
            continue  # what was caught or logged is usually printed as well
        seen |= {member[0].invocation.number for member in members}
        yield _describe(members, how, text, line)


def _list_errors(result: InvocationResult) -> Iterator[tuple[str, str, str | None]]:
    """Yield how an error showed, its text, and the user's line that it came through."""
    for kind, text in result.chain:
        yield "logged", f"{kind}: {text}", result.logged_at.get((kind, text))
    for error in result.swallowed:
        text = f"{error['error_type']}: {error['error']}"
        if error["error_type"] not in HANDLED_BY_DESIGN or _has_signature(text):
            yield "caught", text, error["raised_at"]
    for line in result.printed.splitlines():
        if ERROR_LINE.search(line) or _has_signature(line):
            yield "printed", line.strip(), None


def _has_signature(text: str) -> bool:
    return any(one.pattern.search(text) for one in ERROR_SIGNATURES)


def _normalize(text: str) -> str:
    """Return a text in which numbers and addresses do not matter."""
    return NUMBER.sub("0", text)


def _describe(
    members: Sequence[tuple[InvocationResult, str, str, str | None]], how: str, text: str, line: str | None
) -> Finding:
    numbers = list_numbers([*{one.invocation.number: one for one, *_ in members}.values()])
    signature = next((one for one in ERROR_SIGNATURES if one.pattern.search(text)), None)
    at = f", at {line}" if line else ""
    reason = f": {signature.cause}" if signature else ""
    verb = {"logged": "logged", "caught": "caught and dropped", "printed": "printed"}[how]
    fix = (
        (signature.fix or LOOP_BOUND_FIX)
        if signature
        else "Let the invocation fail, so that Lambda retries it and you see it; then check which state the process keeps."
    )
    return Finding(
        kind="hidden-error",
        cause=f"The response was a success, but {numbers} {verb} an error that the first invocation did not have: "
        f"{' '.join(text.split())[:MAX_QUOTE]}{at}{reason}.",
        fix=fix,
    )
