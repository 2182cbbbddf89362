"""What came of an experiment."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from ticketctl.warmstart.child.ipc import LifecycleEvent


class Verdict(StrEnum):
    """How a handler stands warm starts, worst first.

    broken: an invocation was not ok, or the process died or hung.
    leaking: connections, descriptors or threads grow with the invocations, garbage collector off.
    masked: no failure, but something bound to a closed loop was left for the next invocation.
    fragile: sound, but the invocation after the server closed its connections during a freeze failed.
    safe: none of these.
    """

    BROKEN = "broken"
    LEAKING = "leaking"
    MASKED = "masked"
    FRAGILE = "fragile"
    SAFE = "safe"


class InvocationOutcome(StrEnum):
    """How an invocation, or one of its records, ended."""

    OK = "ok"
    PARTIAL = "partial"
    ERROR = "error"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One SQS record: `ok`, or `failed` where it was returned; with what was logged about it."""

    message_id: str
    outcome: InvocationOutcome
    error_type: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """One call of the handler.

    `partial`: some records were returned; `error`: it raised, or every record was returned, or a web client would get
    a status from 500 on, or the process ended.
    `error_type` and `error` are the class name and whole text of what it raised, else of the first exception logged
    about a message, else of the first one logged at all. `duration_ms` is wall time in the child. `heard` is all
    that was logged as an error, warned of, or printed by Python because nobody could catch it.
    """

    number: int
    outcome: InvocationOutcome
    duration_ms: float
    response: Any = None
    records: Sequence[Record] = ()
    error_type: str | None = None
    error: str | None = None
    heard: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """An object left bound to a closed event loop, reported by the first census that finds it.

    invocation: the number of the invocation after which it was found; 0: after the import.
    owner: the path of names that leads to it from a module.
    created_at: the `file:line` that made it, else the one that made its owner; None where neither is known.
    kind: "transport", "socket", "server", "task", "cancelled task", "future", "primitive", "resource" or
        "asynchronous generator".
    loop: the number of the loop that it is bound to.
    kept_at: the `file:line` that made its owner, or started the task.
    """

    invocation: int
    type: str
    owner: str | None
    peer: str | None
    created_at: str | None
    kind: str
    loop: int
    kept_at: str | None

    def to_json(self) -> dict[str, Any]:
        """Return the public fields as JSON's own types."""
        fields = asdict(self)
        return {name: fields[name] for name in ("invocation", "type", "owner", "peer", "created_at")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One problem: its kind, why it happens, and how to fix it."""

    kind: str
    cause: str
    fix: str

    def to_json(self) -> dict[str, str]:
        """Return the finding as JSON; the key of `fix` is "cure"."""
        return {"kind": self.kind, "cause": self.cause, "cure": self.fix}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """An experiment's result.

    `connections` counts, after each invocation, the connections of the environment whose garbage collector is off:
    the larger of what the process holds (connected sockets) and what the server says it holds, since a socket
    without a backend and a backend without a socket are both left over. `connections_gc` is the same with the
    collector on. `moments` are the import's and, after it, each invocation's.
    """

    handler: str
    times: int
    verdict: Verdict
    invocations: Sequence[Invocation]
    thaw: Invocation | None
    leftovers: Sequence[Leftover]
    connections: Sequence[int]
    connections_gc: Sequence[int]
    findings: Sequence[Finding]
    labels: Mapping[str, str] = field(default_factory=dict)
    moments: Sequence[LifecycleEvent] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON's own types, the labels first; the key of `leftovers` is "zombies"."""
        return {
            **self.labels,
            "handler": self.handler,
            "times": self.times,
            "verdict": self.verdict,
            "invocations": [asdict(one) for one in self.invocations],
            "thaw": asdict(self.thaw) if self.thaw else None,
            "zombies": [one.to_json() for one in self.leftovers],
            "connections": list(self.connections),
            "connections_gc": list(self.connections_gc),
            "findings": [one.to_json() for one in self.findings],
            "moments": [dict(one) for one in self.moments],
        }

    def assert_safe(self) -> None:
        """Raise AssertionError, with the outcomes and all findings as its message, unless the verdict is safe."""
        __tracebackhide__ = True  # pytest shows the caller's line
        if self.verdict is Verdict.SAFE:
            return
        outcomes = ", ".join(invocation.outcome for invocation in self.invocations)
        told = [f"\n\n{finding.kind}: {finding.cause}\nfix: {finding.fix}" for finding in self.findings]
        raise AssertionError(f"{self.handler} is {self.verdict} ({outcomes}){''.join(told)}")
