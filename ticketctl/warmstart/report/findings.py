"""Findings in words: loops are L1, L2 ..., connections C1, C2 ... in the order in which they were met."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from ticketctl.warmstart.report.error_signatures import OF_CONNECTIONS, PER_LOOP, PRIMITIVE, SYMPTOMS, Symptom
from ticketctl.warmstart.report.leftovers import TASK_KINDS
from ticketctl.warmstart.report.model import Finding, InvocationOutcome, Leftover
from ticketctl.warmstart.runner.session import InvocationResult

SHORT = 160
"""Characters of an error's text that a finding quotes."""
LONG = 500
"""Characters of what asyncio or a log said that a finding quotes: the names of tasks stand at its end."""
NO_CURES = "pool_pre_ping, pool_recycle, a bigger pool and uvloop do not mend it."


CONNECTIONS = ("transport", "socket")
"""The kinds of remains that are connections."""
DROPPED = "What an invocation opens is not closed; what is not kept, the garbage collector closes some time."
LEAKS = {
    "threads": "Each invocation starts threads that do not end.",
    "loops": "Each invocation makes an event loop and does not close it; a loop holds three descriptors.",
}
CLOSE = (
    "Close what an invocation opens before its loop ends (async with, or a finally), when it fails as well."
)
LEAK_CURES = {
    "threads": "Let them end with the invocation, or start them once for the process.",
    "loops": "Use asyncio.run, or one asyncio.Runner for the process.",
}
NOISE = re.compile(
    "never awaited|destroyed but it is pending|never retrieved|"
    "Event loop is closed|different (event )?loop|another operation is in progress"
)
"""What Python says of a loop's loose ends."""

PRE_PING = Finding(
    kind="false-cure",
    cause="Each failure throws the dead connection away, so that the next invocation opens a new one on its own loop "
    "and succeeds, and the one after that meets a dead connection again. pool_pre_ping makes just this of it: its "
    "question travels over the dead loop as well.",
    fix="pool_pre_ping is right for connections that the server closed, on a loop that persists. " + PER_LOOP,
)
UVLOOP = Finding(
    kind="false-cure",
    cause="The loop is uvloop's. It closes its handles with the loop, so that the error reads otherwise; the "
    "connection is as dead as on asyncio's.",
    fix="uvloop makes loops faster, not longer-lived. " + PER_LOOP,
)
PRE_PINGING = (
    "Let the pool look before it hands a connection out (pool_pre_ping=True, which takes a loop that persists; check= in "
    "psycopg_pool), or connect anew and try again; a connection for each invocation has nothing to lose."
)
SILENCE = (
    "Bound every call from outside (asyncio.timeout, or the client's own timeout), connecting and waiting for the pool "
    "included, and try once more on a new connection; pool_pre_ping alone waits for an answer as well."
)
RECYCLING = Finding(
    kind="false-cure",
    cause="The server sees one connection come and go, while the process keeps a socket of each: the old one is told "
    "to end, but the loop that would close its socket is gone. pool_recycle makes this of it.",
    fix="Recycling replaces connections by age; it cannot close them on a loop that is gone. " + PER_LOOP,
)


COLD = "Mend what raised it; no loop or connection is to blame."
WARM = (
    "Mend what raised it. It is no known symptom of a loop or a connection, but the first invocation went well: look at "
    "what is kept from one invocation to the next, and at what differs between their events."
)


ENDS = {
    "import": ("import", "The handler could not be imported", "Mend the import; nothing else was tried."),
    "exit": (
        "exit",
        "The process ended itself",
        "Return or raise: Lambda starts a new environment after an exit.",
    ),
    "crash": (
        "crash",
        "The process crashed",
        "Look at the stack above; native code touched what had been freed.",
    ),
    "hang": (
        "hang",
        "The handler hung",
        "Bound what it waits for: with asyncio.timeout in a coroutine, with the call's own timeout elsewhere.",
    ),
}


def of_failures(tries: Sequence[InvocationResult]) -> Iterator[Finding]:
    """Yield a finding for each kind of failure among invocations that were not ok."""
    groups: dict[str, list[InvocationResult]] = {}
    for tried in tries:
        for kind in _kinds(tried):
            groups.setdefault(kind, []).append(tried)
    for kind, members in groups.items():
        yield _failure(kind, members)


def _kinds(tried: InvocationResult) -> list[str]:
    if tried.process_end:
        return [tried.process_end]
    if tried.response_error:
        return ["response"]
    return list(dict.fromkeys(symptom.kind for symptom in _symptoms(tried))) or ["failure"]


def _symptoms(tried: InvocationResult) -> list[Symptom]:
    text = "\n".join([tried.invocation.error or "", *(error for _, error in tried.chain)])
    return [symptom for symptom in SYMPTOMS if symptom.pattern.search(text)]


def _failure(kind: str, members: Sequence[InvocationResult]) -> Finding:
    first = members[0]
    symptom = next((one for one in _symptoms(first) if one.kind == kind or kind in ENDS), None)
    said = f"{_numbers(members)}{_said(first, symptom)}"
    if kind in ENDS:
        name, text, cure = ENDS[kind]
        return Finding(kind=name, cause=f"{text}: {said}.", fix=cure)
    if kind == "response":
        return Finding(
            kind=kind,
            cause=f"{first.response_error} ({_numbers(members)}).",
            fix='Return {"batchItemFailures": [{"itemIdentifier": messageId}, ...]} with ids of the batch only.',
        )
    if symptom is not None:
        cure = symptom.fix or f"{PER_LOOP} {NO_CURES}"
        return Finding(kind=kind, cause=f"{said}: {symptom.cause}.", fix=cure)
    return Finding(kind="failure", cause=f"{said}.", fix=COLD if first.invocation.number == 1 else WARM)


def _numbers(members: Sequence[InvocationResult]) -> str:
    numbers = [str(tried.invocation.number) for tried in members]
    return f"invocation{'s' if len(numbers) > 1 else ''} {', '.join(numbers)}"


def _said(tried: InvocationResult, symptom: Symptom | None = None) -> str:
    """What the invocation said, in short: the invocation itself holds the whole text."""
    heard = [(tried.invocation.error_type, tried.invocation.error), *tried.chain]
    telling = [(name, text) for name, text in heard if text and symptom and symptom.pattern.search(text)]
    name, text = (telling or heard)[0]
    if name is None:
        return " returned records without a word in the log"
    at = f", at {tried.raised_at}" if tried.raised_at else ""
    text = (
        (text or "").partition("\n")[0] if tried.process_end else text or ""
    )  # the rest is the process's last output
    return f" got {name}{': ' if text else ''}{_short(text, symptom)}{at}"


def _short(text: str, symptom: Symptom | None) -> str:
    """An error's text on one line, less the SQL that it quotes; of a long one, the part that tells."""
    line = " ".join(text.partition("\n[SQL:")[0].split())
    if len(line) <= SHORT:
        return line
    match = symptom.pattern.search(line) if symptom else None
    if match is None:
        return f"{line[:SHORT]} ..."
    return f"... {line[max(0, match.end() - SHORT // 2) : match.end()]}"


def of_growth(
    growing: Mapping[str, Sequence[int]], holders: Mapping[str, Mapping[str, int]]
) -> Iterator[Finding]:
    """Yield a finding for each count that grows; descriptors only where nothing else tells what they are."""
    for name, counts in growing.items():
        if name == "descriptors" and growing.keys() & {"connections", "loops"}:
            continue
        most = max(holders.get(name, {}).items(), key=lambda one: one[1], default=None)
        example = f" Most of them: {most[0]} ({most[1]})." if most else ""
        yield Finding(
            kind="leak",
            cause=f"{name.capitalize()} grow with the invocations: {', '.join(map(str, counts))}.{example} "
            f"{LEAKS.get(name, DROPPED)}",
            fix=LEAK_CURES.get(name, CLOSE),
        )


def of_remains(remains: Sequence[Leftover]) -> Iterator[Finding]:
    """Yield a finding for each owner that keeps something of a closed loop, and for each task that was lost."""
    groups: dict[str, list[tuple[int, Leftover]]] = {}
    connections = 0
    for one in remains:
        connections += one.kind in CONNECTIONS
        key = one.kept_at or one.owner or f"{one.type} {one.created_at}"
        groups.setdefault(key, []).append((connections, one))
    for members in groups.values():
        number, one = members[0]
        more = f" {len(members)} such were found." if len(members) > 1 else ""
        if one.kind in TASK_KINDS:
            yield _lost_task(one, more)
        else:
            yield _bound(f"C{number}" if one.kind in CONNECTIONS else f"This {one.kind}", one, more)


def _lost_task(one: Leftover, more: str) -> Finding:
    stood = f", which stood at {one.created_at}," if one.created_at else ""
    begun = f", begun at {one.kept_at}," if one.kept_at else stood
    happened = "was cancelled when" if one.kind == "cancelled task" else "was still pending when"
    return Finding(
        kind="lost-task",
        cause=f"{one.type}{begun} {happened} its loop L{one.loop} ended after invocation {one.invocation}; "
        f"the rest of its work is never done, and nobody is told.{more}",
        fix="Await it before the loop ends: asyncio.TaskGroup, asyncio.gather, or the task itself. Work that may "
        "outlive the invocation belongs on a queue.",
    )


def _bound(name: str, one: Leftover, more: str) -> Finding:
    what = f"{one.type} to {one.peer}" if one.peer else one.type
    made = f" at {one.created_at}" if one.created_at else ""
    keeper = f" (made at {one.kept_at})" if one.kept_at and one.kept_at != one.created_at else ""
    if one.kind == "primitive":
        return Finding(
            kind="bound",
            cause=f"{one.type}{made} bound itself to L{one.loop} when somebody first had to wait for it. L{one.loop} was "
            f"closed when invocation {one.invocation} had ended, and it stayed in "
            f"{one.owner or 'hands without a name'}{keeper}: who has to wait for it on the next loop gets an error.{more}",
            fix=PRIMITIVE,
        )
    return Finding(
        kind="bound",
        cause=f"{name} ({what}) came into being on L{one.loop}{made}. L{one.loop} was closed when invocation "
        f"{one.invocation} had ended, and it stayed in {one.owner or 'hands without a name'}{keeper}, where the "
        f"next loop meets it.{more}",
        fix=f"{PER_LOOP} {NO_CURES}",
    )


def of_thaw(thaw: InvocationResult, *, silent: bool, sound: bool) -> Finding:
    """Say what the first invocation after a freeze met."""
    happened = "The connections fell silent" if silent else "The server closed the connections"
    before = "All was well before" if sound else "It comes on top of the failures before"
    return Finding(
        kind="thaw",
        cause=f"{happened} while the process was frozen, and the next invocation{_said(thaw)}. {before}.",
        fix=SILENCE if silent or thaw.process_end == "hang" else PRE_PINGING,
    )


def of_false_cures(tries: Sequence[InvocationResult], bad: Sequence[InvocationResult]) -> Iterator[Finding]:
    """Yield the false cures that are in play, by what happened."""
    if not any(symptom in OF_CONNECTIONS for tried in bad for symptom in _symptoms(tried)):
        return
    outcomes = [tried.invocation.outcome is InvocationOutcome.OK for tried in tries]
    if any(later and not earlier for earlier, later in pairwise(outcomes)):
        yield PRE_PING
    if any("the handler is closed" in text for tried in bad for _, text in tried.chain):
        yield UVLOOP


def tells_of_lost_work(tried: InvocationResult) -> bool:
    """Whether asyncio said that a task was destroyed unfinished: no census could find it any more."""
    return any("Task was destroyed but it is pending" in text for text in tried.invocation.heard)


def of_noise(tries: Sequence[InvocationResult]) -> Iterator[Finding]:
    """Yield what was said of loose ends in invocations that looked sound, each kind once."""
    groups: dict[str, list[tuple[InvocationResult, str]]] = {}
    for tried in tries:
        for text in tried.invocation.heard if tried.invocation.outcome is InvocationOutcome.OK else ():
            if match := NOISE.search(text):
                groups.setdefault(match.group(), []).append((tried, text))
    for members in groups.values():
        numbers = _numbers([*{tried.invocation.number: tried for tried, _ in members}.values()])
        yield Finding(
            kind="heard",
            cause=f"Python said this, and the response did not ({numbers}): "
            f"{' '.join(members[0][1].split())[:LONG]}.",
            fix="Await every coroutine and task, and look at its result, before the loop ends.",
        )
