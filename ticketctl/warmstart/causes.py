"""Findings in words: loops are L1, L2 ..., connections C1, C2 ... in the order in which they were met."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ticketctl.warmstart.course import Remains, Try
from ticketctl.warmstart.report import Finding, Outcome

PER_LOOP = (
    "Make it inside the coroutine that asyncio.run() runs and close it there in a finally (for an SQLAlchemy engine: "
    "poolclass=NullPool, or await engine.dispose() before the loop ends); or keep one loop for the life of the "
    "process, an asyncio.Runner that every invocation uses."
)
SHORT = 160
"""Characters of an error's text that a finding quotes."""
NO_CURES = "pool_pre_ping, pool_recycle, a bigger pool and uvloop do not mend it."


@dataclass(frozen=True, slots=True)
class Symptom:
    """An error text that is known to come from a dead loop, and why it comes."""

    kind: str
    pattern: re.Pattern[str]
    cause: str


SYMPTOMS = (
    Symptom(
        "different-loop",
        re.compile("different (event )?loop"),
        "something that was bound to an earlier loop (L1) was used on a later one (L2)",
    ),
    Symptom(
        "busy-connection",
        re.compile("another operation is in progress"),
        "a connection was handed out although its last operation never ended: L1, on which the answer would have "
        "been read, is closed",
    ),
    Symptom(
        "closed-loop",
        re.compile("Event loop is closed|the handler is closed"),
        "something that was opened on an earlier loop (L1) was used, or closed, after L1 had been closed",
    ),
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
        "Bound what it waits for (asyncio.timeout) inside the loop it runs on.",
    ),
}


def of_failures(tries: Sequence[Try]) -> Iterator[Finding]:
    """Yield a finding for each kind of failure among invocations that were not ok."""
    groups: dict[str, list[Try]] = {}
    for tried in tries:
        for kind in _kinds(tried):
            groups.setdefault(kind, []).append(tried)
    for kind, members in groups.items():
        yield _failure(kind, members)


def _kinds(tried: Try) -> list[str]:
    if tried.end:
        return [tried.end]
    if tried.misread:
        return ["response"]
    text = "\n".join([tried.invocation.error or "", *(error for _, error in tried.chain)])
    return [symptom.kind for symptom in SYMPTOMS if symptom.pattern.search(text)] or ["failure"]


def _failure(kind: str, members: Sequence[Try]) -> Finding:
    first = members[0]
    symptom = next((symptom for symptom in SYMPTOMS if symptom.kind == kind), None)
    said = f"{_numbers(members)}{_said(first, symptom)}"
    if kind in ENDS:
        name, text, cure = ENDS[kind]
        return Finding(kind=name, cause=f"{text}: {said}.", cure=cure)
    if kind == "response":
        return Finding(
            kind=kind,
            cause=f"AWS takes the whole batch as failed ({_numbers(members)}): {first.misread}.",
            cure='Return {"batchItemFailures": [{"itemIdentifier": messageId}, ...]} with ids of the batch only.',
        )
    if symptom is not None:
        return Finding(kind=kind, cause=f"{said}: {symptom.cause}.", cure=f"{PER_LOOP} {NO_CURES}")
    return Finding(
        kind="failure", cause=f"{said}.", cure="Mend what raised it; no loop or connection is to blame."
    )


def _numbers(members: Sequence[Try]) -> str:
    numbers = [str(tried.invocation.number) for tried in members]
    return f"invocation{'s' if len(numbers) > 1 else ''} {', '.join(numbers)}"


def _said(tried: Try, symptom: Symptom | None = None) -> str:
    """What the invocation said, in short: the invocation itself holds the whole text."""
    heard = [(tried.invocation.error_type, tried.invocation.error), *tried.chain]
    telling = [(name, text) for name, text in heard if text and symptom and symptom.pattern.search(text)]
    name, text = (telling or heard)[0]
    if name is None:
        return " returned records without a word in the log"
    at = f", at {tried.where}" if tried.where else ""
    return f" got {name}: {_short(text or '', symptom)}{at}"


def _short(text: str, symptom: Symptom | None) -> str:
    """An error's text on one line, less the SQL that it quotes; of a long one, the part that tells."""
    line = " ".join(text.partition("\n[SQL:")[0].split())
    if len(line) <= SHORT:
        return line
    match = symptom.pattern.search(line) if symptom else None
    if match is None:
        return f"{line[:SHORT]} ..."
    return f"... {line[max(0, match.end() - SHORT // 2) : match.end()]}"


def of_growth(growing: Mapping[str, Sequence[int]]) -> Iterator[Finding]:
    """Yield a finding for each count that grows; descriptors only where they are no connections."""
    for name, counts in growing.items():
        if name == "descriptors" and "connections" in growing:
            continue
        yield Finding(
            kind="leak",
            cause=f"{name.capitalize()} grow with the invocations: {', '.join(map(str, counts))}. "
            "What an invocation opens is dropped, not closed, and nothing closes it but the garbage collector.",
            cure="Close what an invocation opens before its loop ends (async with, or a finally), in failures too.",
        )


def of_remains(remains: Sequence[Remains]) -> Iterator[Finding]:
    """Yield a finding for each owner that keeps something of a closed loop."""
    groups: dict[str, list[tuple[int, Remains]]] = {}
    for number, one in enumerate(remains, 1):
        key = one.zombie.owner or one.zombie.type
        groups.setdefault(re.sub(r"\[\d+\]", "[]", key), []).append((number, one))
    for members in groups.values():
        number, one = members[0]
        zombie = one.zombie
        name = f"C{number}" if zombie.peer else f"a {one.kind}"
        made = f" at {zombie.created_at}" if zombie.created_at else ""
        peer = f" to {zombie.peer}" if zombie.peer else ""
        more = f" ({len(members)} such in all)" if len(members) > 1 else ""
        yield Finding(
            kind="bound",
            cause=f"{name} ({zombie.type}{peer}) came into being on L{one.loop}{made}. L{one.loop} was closed after "
            f"invocation {zombie.invocation}; {name} stayed in {zombie.owner or 'unnamed hands'}, where the next "
            f"loop finds it{more}.",
            cure=f"{PER_LOOP} {NO_CURES}",
        )


def of_thaw(thaw: Try, *, sound: bool) -> Finding:
    """Say what the first invocation after a freeze met."""
    before = "All was well before" if sound else "It comes on top of the failures before"
    return Finding(
        kind="thaw",
        cause=f"The server closed the connections while the process was frozen, and the next{_said(thaw)}. {before}.",
        cure="On a loop that persists, let the pool look before it hands a connection out (pool_pre_ping=True), and "
        "bound every call from outside (asyncio.timeout), for a server that goes without a word.",
    )


def false_cures(tries: Sequence[Try], bad: Sequence[Try]) -> Iterator[Finding]:
    """Name the false cures that are in play, by what happened."""
    symptoms = {kind for tried in bad for kind in _kinds(tried)} & {symptom.kind for symptom in SYMPTOMS}
    if not symptoms:
        return
    outcomes = [tried.invocation.outcome is Outcome.OK for tried in tries]
    recovered = any(later and not earlier for earlier, later in pairwise(outcomes))
    if recovered:
        yield Finding(
            kind="false-cure",
            cause="Every failure throws the dead connection away, so that the next invocation opens a new one on "
            "its own loop and succeeds, and the one after that fails again. pool_pre_ping makes just this of it: it "
            "asks the server, on the wrong loop.",
            cure="pool_pre_ping is right for connections that the server closed, on a loop that persists. "
            f"{PER_LOOP}",
        )
    if any("the handler is closed" in text for tried in bad for _, text in tried.chain):
        yield Finding(
            kind="false-cure",
            cause="The loop is uvloop's. It closes its handles with the loop, so the error reads otherwise, but the "
            "connection is as dead as on asyncio's.",
            cure=f"uvloop makes loops faster, not longer-lived. {PER_LOOP}",
        )


def false_recycling(backends: Sequence[int]) -> Iterator[Finding]:
    """Name recycling as a false cure where sockets grow, and the server's `backends` do not."""
    if backends and backends[-1] <= backends[0]:
        yield Finding(
            kind="false-cure",
            cause="The server sees one connection come and go, while the process keeps a socket of each: the old "
            "connection is told to end, but the loop that would close its socket is gone. pool_recycle does this.",
            cure=f"Recycling replaces connections by age; it cannot close them on a loop that is gone. {PER_LOOP}",
        )
