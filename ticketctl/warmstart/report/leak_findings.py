"""Findings about what invocations leave behind: counts that grow, objects of closed event loops, lost tasks."""

import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from ticketctl.warmstart.report.error_signatures import LOOP_BOUND_FIX, PRIMITIVE_FIX
from ticketctl.warmstart.report.failure_findings import FALSE_FIXES, list_numbers
from ticketctl.warmstart.report.leftovers import TASK_KINDS
from ticketctl.warmstart.report.model import Finding, InvocationOutcome, Leftover
from ticketctl.warmstart.runner.invocation_result import InvocationResult

MAX_COUNTS = 12
"""Counts of a series that a finding lists."""
MAX_QUOTE = 500
"""Characters of a log line that a finding quotes: asyncio puts the names of tasks at its end."""
CONNECTION_KINDS = ("transport", "socket")
"""Kinds of leftovers that are connections."""
UNCLOSED = "Invocations open them and do not close them; the garbage collector closes only what nothing refers to, and late."
GROWTH_CAUSES = {
    "threads": "Invocations start threads that do not end.",
    "child processes": "Invocations start processes that do not end.",
    "tasks": "Invocations start tasks that do not finish, on an event loop that lives on.",
    "loops": "Invocations create event loops and do not close them; each holds three file descriptors.",
}
CLOSE_FIX = (
    "Close what an invocation opens before its event loop ends, also when the invocation fails (async with, or a "
    "finally block)."
)
GROWTH_FIXES = {
    "threads": "End the threads with the invocation, or start them once for the process.",
    "child processes": "Wait for each process, or end it, before the invocation ends: subprocess.run(), or Popen in a with "
    "statement.",
    "tasks": "Await each task before the invocation ends, or cancel it.",
    "loops": "Use asyncio.run(), or one asyncio.Runner for the process.",
}
LOOP_WARNINGS = re.compile(
    "never awaited|destroyed but it is pending|never retrieved|"
    "Event loop is closed|different (event )?loop|another operation is in progress"
)
"""Messages of Python about work that an event loop did not finish."""


def find_leaks(
    growing: Mapping[str, Sequence[int]],
    holders: Mapping[str, Mapping[str, int]],
    collected: Mapping[str, int] = MappingProxyType({}),
) -> Iterator[Finding]:
    """Yield a finding for each count that grows; for descriptors only if no other count explains them.

    growing: counts after each invocation, by their name.
    holders: for each name, descriptions of what the last invocation left, with their number.
    collected: the counts after a garbage collection.
    """
    for name, counts in growing.items():
        if name == "descriptors" and growing.keys() & {"connections", "loops"}:
            continue
        most = max(holders.get(name, {}).items(), key=lambda one: one[1], default=None)
        example = f" Most of them: {most[0]} ({most[1]})." if most else ""
        yield Finding(
            kind="leak",
            cause=f"The number of {name} grows with the invocations: {_format_series(counts)}.{example} "
            f"{GROWTH_CAUSES.get(name, UNCLOSED)}{_describe_collection(counts[-1], collected.get(name))}",
            fix=GROWTH_FIXES.get(name, CLOSE_FIX),
        )


def _describe_collection(before: int, after: int | None) -> str:
    """Say how many a garbage collection freed; nothing if it freed none."""
    if after is None or after >= before:
        return ""
    return (
        f" A garbage collection at the end freed {before - after} of the {before}: nothing refers to these, and they stay "
        "until the collector runs."
    )


def _format_series(counts: Sequence[int]) -> str:
    """Return the counts; of many, the first and the last ones."""
    if len(counts) <= MAX_COUNTS:
        return ", ".join(map(str, counts))
    first, last = counts[: MAX_COUNTS - 3], counts[-2:]
    return f"{', '.join(map(str, first))}, ..., {', '.join(map(str, last))} after {len(counts)} invocations"


def find_leftovers(leftovers: Sequence[Leftover]) -> Iterator[Finding]:
    """Yield a finding for each owner of objects whose event loop is closed, and for each lost task."""
    groups: dict[str, list[tuple[int, Leftover]]] = {}
    connections = 0
    for one in leftovers:
        connections += one.kind in CONNECTION_KINDS
        key = one.kept_at or one.owner or f"{one.type} {one.created_at}"
        groups.setdefault(key, []).append((connections, one))
    for members in groups.values():
        number, one = members[0]
        more = f" {len(members)} such objects were found." if len(members) > 1 else ""
        if one.kind in TASK_KINDS:
            yield _describe_lost_task(one, more)
        elif one.kind == "primitive":
            yield _describe_primitive(one, more)
        else:
            name = f"C{number}" if one.kind in CONNECTION_KINDS else f"This {one.kind}"
            yield _describe_bound(name, one, more)


def _describe_lost_task(one: Leftover, more: str) -> Finding:
    line = f", which stood at {one.created_at}," if one.created_at else ""
    line = f", started at {one.kept_at}," if one.kept_at else line
    end = "was cancelled when" if one.kind == "cancelled task" else "was still pending when"
    return Finding(
        kind="lost-task",
        cause=f"{one.type}{line} {end} its event loop L{one.loop} ended after invocation {one.invocation}; the rest of its "
        f"work is never done, and no error is raised.{more}",
        fix="Await the task before the event loop ends: asyncio.TaskGroup, asyncio.gather, or the task itself. Put work "
        "that may outlive the invocation on a queue.",
    )


def _describe_owner(one: Leftover) -> str:
    line = f" (made at {one.kept_at})" if one.kept_at and one.kept_at != one.created_at else ""
    return f"{one.owner or 'an object without a name'}{line}"


def _describe_primitive(one: Leftover, more: str) -> Finding:
    line = f", made at {one.created_at}," if one.created_at else ""
    return Finding(
        kind="bound",
        cause=f"{one.type}{line} bound itself to event loop L{one.loop} when a task first waited for it. L{one.loop} was "
        f"closed after invocation {one.invocation}, but {_describe_owner(one)} keeps the object: a task that has to wait "
        f"for it on the next event loop gets an error.{more}",
        fix=PRIMITIVE_FIX,
    )


def _describe_bound(name: str, one: Leftover, more: str) -> Finding:
    what = f"{one.type} to {one.peer}" if one.peer else one.type
    line = f" at {one.created_at}" if one.created_at else ""
    return Finding(
        kind="bound",
        cause=f"{name} ({what}) was opened on event loop L{one.loop}{line}. L{one.loop} was closed after invocation "
        f"{one.invocation}, but {_describe_owner(one)} keeps {name[:1].lower() + name[1:] if ' ' in name else name}, and "
        f"the next invocation uses it on another event loop.{more}",
        fix=f"{LOOP_BOUND_FIX} {FALSE_FIXES}",
    )


def find_loop_warnings(results: Sequence[InvocationResult]) -> Iterator[Finding]:
    """Yield a finding for each kind of warning about unfinished work in invocations that were ok."""
    groups: dict[str, list[tuple[InvocationResult, str]]] = {}
    for result in results:
        for text in (
            result.invocation.captured_log if result.invocation.outcome is InvocationOutcome.OK else ()
        ):
            if match := LOOP_WARNINGS.search(text):
                groups.setdefault(match.group(), []).append((result, text))
    for members in groups.values():
        numbers = list_numbers([*{result.invocation.number: result for result, _ in members}.values()])
        yield Finding(
            kind="heard",
            cause=f"The response was a success, but Python reported this ({numbers}): "
            f"{' '.join(members[0][1].split())[:MAX_QUOTE]}.",
            fix="Await every coroutine and task, and check its result, before the event loop ends.",
        )
