"""The report of an experiment."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from ticketctl.warmstart.child.ipc import InvocationCost, LifecycleEvent


class Verdict(StrEnum):
    """How well a handler survives warm starts, worst first.

    broken: an invocation was not ok, or the process died or hung.
    leaking: connections, descriptors, threads or event loops grow with the invocations, garbage collector off.
    unsafe: no failure, but state in a SnapStart snapshot that every restored environment shares: the state of a
        pseudorandom generator, a value that is meant to be unique, or a secret.
    masked: no failure, but a warm invocation hid an error, or an object bound to a closed event loop was left for the next.
    fragile: no failure, but the invocation after a freeze in which the connections were lost failed.
    safe: none of these.
    """

    BROKEN = "broken"
    LEAKING = "leaking"
    UNSAFE = "unsafe"
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
    """One SQS record: `ok`, or `failed` if the handler returned it; with the exception logged about it."""

    message_id: str
    outcome: InvocationOutcome
    error_type: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """One call of the handler.

    outcome: `partial`: some records were returned as failed; `error`: it raised, returned every record as failed,
        answered with an HTTP status of 500 or more, or ended the process.
    duration_ms: wall time in the child process.
    error_type, error: class name and whole text of the exception that it raised, else of the first exception that
        was logged about a message, else of the first one that was logged.
    captured_log: errors that were logged, warnings, and exceptions that Python prints because no code can catch
        them; JSON key "heard".
    printed: the end of what it wrote to standard output and error, which on Lambda is the log as well.
    cost: what it used: connections that it opened, bytes, threads that it started.
    """

    number: int
    outcome: InvocationOutcome
    duration_ms: float
    response: Any = None
    records: Sequence[Record] = ()
    error_type: str | None = None
    error: str | None = None
    captured_log: Sequence[str] = ()
    printed: str = ""
    cost: InvocationCost | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the invocation as JSON's own types."""
        fields = asdict(self)
        fields["heard"] = fields.pop("captured_log")
        return fields


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
    """The result of an experiment.

    connections: after each invocation, the connections of the environment whose garbage collector is off. It is the
        larger of the process's connected sockets and the connections that the server counts, since a socket without
        a backend and a backend without a socket are both left over.
    connections_gc: the same with the garbage collector on.
    lifecycle_events: those of the import, and then of each invocation; JSON key "moments".
    leftovers: JSON key "zombies".
    series: counts after each invocation, by their name; longer than `times` where it took more invocations to see
        whether a count keeps growing.
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
    lifecycle_events: Sequence[LifecycleEvent] = ()
    series: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON's own types, the labels first."""
        return {
            **self.labels,
            "handler": self.handler,
            "times": self.times,
            "verdict": self.verdict,
            "invocations": [one.to_json() for one in self.invocations],
            "thaw": self.thaw.to_json() if self.thaw else None,
            "zombies": [one.to_json() for one in self.leftovers],
            "connections": list(self.connections),
            "connections_gc": list(self.connections_gc),
            "findings": [one.to_json() for one in self.findings],
            "moments": [dict(one) for one in self.lifecycle_events],
            "series": {name: list(counts) for name, counts in self.series.items()},
        }

    def assert_safe(self) -> None:
        """Raise AssertionError with the outcomes and all findings unless the verdict is safe."""
        __tracebackhide__ = True  # pytest shows the caller's line
        if self.verdict is Verdict.SAFE:
            return
        outcomes = ", ".join(invocation.outcome for invocation in self.invocations)
        findings = [f"\n\n{finding.kind}: {finding.cause}\nfix: {finding.fix}" for finding in self.findings]
        raise AssertionError(f"{self.handler} is {self.verdict} ({outcomes}){''.join(findings)}")
