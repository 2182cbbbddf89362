"""One environment's session: the handler is imported, invoked again and again, frozen and thawed."""

import asyncio
import contextlib
import re
import signal
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, TypeGuard

from ticketctl.warmstart.child import hang_dump
from ticketctl.warmstart.child.ipc import LifecycleEvent, Message
from ticketctl.warmstart.report import batch_response
from ticketctl.warmstart.report.leftovers import locate_leftovers
from ticketctl.warmstart.report.model import Invocation, InvocationOutcome, Leftover, Record
from ticketctl.warmstart.report.snapstart import Snapshot
from ticketctl.warmstart.runner.experiment import ConnectionMonitor, EnvironmentConfig, Experiment, Freeze
from ticketctl.warmstart.runner.ric import EnvironmentProcess
from ticketctl.warmstart.runner.wait import wait_for_closed_connections

FRAME = re.compile(r'^  File "(?P<file>[^"]+)", line (?P<line>\d+) in (?P<name>\S+)', re.MULTILINE)
"""A line of faulthandler's dump."""
TELLING = 0.2
"""Seconds that a process which hangs has to tell where its tasks stand, before it is ended."""
SERVER_ERROR = 500
"""The first HTTP status that means that the server failed."""
LIBRARY = re.compile(r"/(lib/python\d|site-packages/|warmstart/child/)|^<")
"""Files that no user wrote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InvocationResult:
    """One invocation with what lies behind its outcome.

    chain: (class, text) of every exception that it raised or logged, and of those behind them.
    raised_at: the innermost line of the user's code in the traceback of the first of them, as `file:line`.
    response_error: what AWS makes of an SQS response that has the wrong form.
    process_end: how the process ended, if it did: "import", "exit", "crash", "hang".
    """

    invocation: Invocation
    chain: tuple[tuple[str, str], ...] = ()
    raised_at: str | None = None
    response_error: str | None = None
    process_end: str | None = None


@dataclass(slots=True, kw_only=True)
class Session:
    """What one environment showed.

    counts: after each invocation: "connections" (sockets of the process), "descriptors", "loops", "threads".
    holders: for each of the counts, what the last invocation left, in words, and how often.
    backends: the connections that the server said it holds, after each invocation.
    lifecycle_events: what came and went in each invocation, the import first.
    snapshot: what lay in the snapshot, where one was asked for.
    """

    results: list[InvocationResult] = field(default_factory=list)
    thaw: InvocationResult | None = None
    leftovers: list[Leftover] = field(default_factory=list)
    counts: dict[str, list[int]] = field(default_factory=dict)
    holders: dict[str, dict[str, int]] = field(default_factory=dict)
    backends: list[int] = field(default_factory=list)
    lifecycle_events: list[LifecycleEvent] = field(default_factory=list)
    snapshot: Snapshot = field(default_factory=Snapshot)

    @property
    def sockets(self) -> list[int]:
        """The connections that the process held after each invocation."""
        return self.counts.get("connections", [])

    @property
    def connections(self) -> list[int]:
        """The larger of sockets and backends, after each invocation."""
        return [max(pair) for pair in zip_longest(self.sockets, self.backends, fillvalue=0)]


async def run_session(
    process: EnvironmentProcess, experiment: Experiment, stage: EnvironmentConfig, start: Message
) -> Session:
    """Take one environment through the experiment. The thaw is for the one without garbage collection."""
    session = Session()
    runner = _SessionRunner(process, experiment, session)
    if not await runner.start(start) or (experiment.snapstart and not await runner.restore()):
        return session
    for number in range(1, experiment.times + 1):
        tried = await runner.invoke(number, _event(stage, number))
        session.results.append(tried)
        if tried.process_end:
            return session
        if stage.server:
            at_most = session.sockets[-1] if session.sockets else 0
            session.backends.append(await wait_for_closed_connections(stage.server, at_most=at_most))
        if stage.observer:
            await stage.observer(tried.invocation)
    if experiment.thaw and not start["gc"] and (stage.server or experiment.freeze):
        await _freeze(process, runner, experiment.freeze, stage.server)
        number = experiment.times + 1
        session.thaw = await runner.thaw(number, _event(stage, number))
    return session


def _event(stage: EnvironmentConfig, number: int) -> object:
    return stage.events[(number - 1) % len(stage.events)]


async def _freeze(
    process: EnvironmentProcess,
    runner: "_SessionRunner",
    how: Freeze | None,
    server: ConnectionMonitor | None,
) -> None:
    """Lose the connections while the process stands still, as Lambda's environments do between invocations."""
    if how:
        await runner.cut(silently=how == "silent")
    process.signal(signal.SIGSTOP)
    try:
        if server and not how:
            await server.disconnect()
    finally:
        process.signal(signal.SIGCONT)


class _SessionRunner:
    """Asks the child, and puts what it answers into the session."""

    def __init__(self, process: EnvironmentProcess, experiment: Experiment, session: Session) -> None:
        self._process = process
        self._timeout = experiment.timeout
        self._base = f"{experiment.path.resolve()}/" if experiment.path else ""
        self._session = session

    async def start(self, order: Message) -> bool:
        """Import the handler; False where that was the end, which is told as the first invocation's."""
        answer = await self._ask(order, 1, "import")
        if isinstance(answer, InvocationResult):
            self._session.results.append(answer)
            return False
        self._note(answer, 0)
        return self._went_well(answer, "import")

    async def restore(self) -> bool:
        """Take a snapshot and restore it; False where a hook failed, which is told as the first invocation's."""
        taken = await self._ask({"do": "snapshot"}, 1, "hooks before the snapshot")
        if not self._went_well(taken):
            return False
        self._process.signal(signal.SIGSTOP)
        self._process.signal(signal.SIGCONT)
        restored = await self._ask({"do": "restore"}, 1, "hooks after the restore")
        if not self._went_well(restored):
            return False
        self._session.snapshot = Snapshot(taken["held"], taken["values"], restored["values"])
        return True

    def _went_well(self, answer: Message | InvocationResult, end: str | None = None) -> TypeGuard[Message]:
        """Whether there is an answer without an error; anything else is told as the first invocation's."""
        if isinstance(answer, InvocationResult):
            self._session.results.append(answer)
            return False
        if error := answer["error"]:
            invocation = _failure(1, error["error_type"], error["error"])
            self._session.results.append(
                InvocationResult(
                    invocation=invocation, chain=_chain([error]), raised_at=error["where"], process_end=end
                )
            )
            return False
        return True

    async def invoke(self, number: int, event: object) -> InvocationResult:
        """Invoke the handler once."""
        answer = await self._invoked(number, event, look=True)
        if isinstance(answer, InvocationResult):
            return answer
        self._note(answer, number)
        for name, count in answer["counts"].items():
            self._session.counts.setdefault(name, []).append(count)
        self._session.holders = answer["holders"]
        return interpret(number, event, answer)

    async def thaw(self, number: int, event: object) -> InvocationResult:
        """Invoke the handler after the freeze; what is left then counts no more."""
        answer = await self._invoked(number, event, look=False)
        return answer if isinstance(answer, InvocationResult) else interpret(number, event, answer)

    async def _invoked(self, number: int, event: object, *, look: bool) -> Message | InvocationResult:
        return await self._ask({"do": "invoke", "event": event, "look": look}, number, "invocation")

    async def cut(self, *, silently: bool) -> None:
        """Cut the process's connections from inside."""
        with contextlib.suppress(TimeoutError):
            await self._process.ask({"do": "cut", "silently": silently}, self._timeout)

    async def _ask(self, order: Message, number: int, what: str) -> Message | InvocationResult:
        try:
            answer = await self._process.ask(order, self._timeout)
        except TimeoutError:
            return await self._hung(number, what)
        if answer is not None:
            return answer
        status = await self._process.end()
        ending = (
            f"the process was ended by {signal.Signals(-status).name}"
            if status < 0
            else f"the process ended with status {status}"
        )
        return self._ended(number, f"{ending} during the {what}", "crash" if status < 0 else "exit")

    async def _hung(self, number: int, what: str) -> InvocationResult:
        self._process.signal(hang_dump.SIGNAL)
        await asyncio.sleep(TELLING)
        self._process.signal(signal.SIGABRT)  # the child's faulthandler tells where it stood
        await self._process.end()
        return self._ended(number, f"the {what} did not end within {self._timeout:g} s", "hang")

    def _ended(self, number: int, text: str, end: str) -> InvocationResult:
        tail = self._process.tail()
        error_type = "Sandbox.Timedout" if end == "hang" else "Runtime.ExitError"  # Lambda's own names
        told = f"{text}\n{tail}" if tail else text
        return InvocationResult(
            invocation=_failure(number, error_type, told), raised_at=self._where(tail), process_end=end
        )

    def _where(self, dump: str) -> str | None:
        """Return the innermost line in faulthandler's dump that is neither Python's nor an installed package's."""
        for frame in FRAME.finditer(dump):
            if not LIBRARY.search(frame["file"]):
                return f"{frame['file'].removeprefix(self._base)}:{frame['line']}"
        return None

    def _note(self, answer: Message, number: int) -> None:
        if moment := answer["moment"]:
            self._session.lifecycle_events.append(moment)
        self._session.leftovers += locate_leftovers(answer["zombies"], number)


def interpret(number: int, event: object, answer: Message) -> InvocationResult:
    """Make an invocation of the child's answer: what the response hides is found in what was logged."""
    raised, logged = answer["error"], [one for one in answer["logged"] if one["exception"]]
    reading = batch_response.interpret_response(event, answer["response"])
    returned = frozenset(reading.message_ids) if raised else reading.failed_ids
    first = raised or next((one["exception"] for one in sorted(logged, key=_without_message)), None)
    by_message = {one["message_id"]: one["exception"] for one in reversed(logged) if one["message_id"]}
    outcome = _outcome(
        reading.message_ids, returned, failed=bool(raised) or _is_server_error(answer["response"])
    )
    if outcome is InvocationOutcome.OK:
        first = None  # a library's log of what it has dealt with is no failure of the invocation's
    invocation = Invocation(
        number=number,
        outcome=outcome,
        duration_ms=round(answer["duration_ms"], 3),
        response=answer["response"],
        records=[_record(message, returned, by_message) for message in reading.message_ids],
        error_type=first and first["error_type"],
        error=first and first["error"],
        captured_log=answer["heard"],
    )
    return InvocationResult(
        invocation=invocation,
        chain=_chain([*([raised] if raised else []), *(one["exception"] for one in logged)]),
        raised_at=first and first["where"],
        response_error=reading.error,
        process_end="exit"
        if raised and raised["error_type"] in ("SystemExit", "KeyboardInterrupt")
        else None,
    )


def _without_message(logged: Message) -> bool:
    return logged["message_id"] is None


def _is_server_error(response: Any) -> bool:
    """Whether a web client would see a failure: frameworks turn the exceptions that they catch into status 500."""
    status = response.get("statusCode") if isinstance(response, dict) else None
    return isinstance(status, int) and status >= SERVER_ERROR


def _outcome(messages: tuple[str, ...], returned: frozenset[str], *, failed: bool) -> InvocationOutcome:
    if failed or (messages and returned >= set(messages)):
        return InvocationOutcome.ERROR
    return InvocationOutcome.PARTIAL if returned else InvocationOutcome.OK


def _record(message: str, returned: frozenset[str], errors: dict[str, Message]) -> Record:
    error = errors.get(message, {})
    return Record(
        message_id=message,
        outcome=InvocationOutcome.FAILED if message in returned else InvocationOutcome.OK,
        error_type=error.get("error_type"),
        error=error.get("error"),
    )


def _chain(errors: list[Message]) -> tuple[tuple[str, str], ...]:
    return tuple((kind, text) for error in errors for kind, text in error["chain"])


def _failure(number: int, error_type: str, error: str) -> Invocation:
    return Invocation(
        number=number, outcome=InvocationOutcome.ERROR, duration_ms=0.0, error_type=error_type, error=error
    )
