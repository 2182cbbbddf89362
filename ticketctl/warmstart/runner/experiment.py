"""An experiment: a handler, the events that it gets, and its surroundings."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from ticketctl.warmstart.report.model import Invocation

Freeze = Literal["closed", "silent", "kept"]
"""What the peers of connections do while the process is frozen: close them, become unreachable, or keep them."""
Runtime = Literal["direct", "awslambdaric"]
"""Who calls the handler: the child itself, or AWS's own runtime client, which a Runtime API on loopback serves."""


class ConnectionMonitor(Protocol):
    """A server on which the connections of one environment can be counted and closed."""

    async def connections(self) -> int:
        """Return how many connections the environment has at this moment."""

    async def disconnect(self) -> None:
        """Close all of the environment's connections from the server's side; it may have none."""


InvocationObserver = Callable[[Invocation], Awaitable[None]]
"""Is called after each invocation, and may examine what it did to the world outside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentConfig:
    """What one environment has for itself: events, environment variables, monitor and observer."""

    events: Sequence[object]
    environment: Mapping[str, str] = field(default_factory=dict)
    server: ConnectionMonitor | None = None
    observer: InvocationObserver | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """A handler that is invoked `times` times in one process, as Lambda invokes it in a warm environment.

    handler: "module:function", or "module.function" as Lambda has it.
    events: invocation i gets events[(i - 1) % len(events)]; the one after the thaw gets the next in turn.
    environment: variables that are set in the child process only.
    path: the working directory, which is also the first folder on sys.path.
    python: another interpreter, 3.11 or newer.
    timeout: seconds that one invocation, or the import, may take; after that it counts as hung.
    labels: copied into the report.
    server: for the environment without garbage collection; counts and closes its connections.
    observer: for the same environment; it is not called after the thaw.
    with_gc: the configuration of the second environment, which has the garbage collector on. Both run at the same time:
        give it events of its own if the same ones would interfere. None: the same events and variables, no server.
    skip_gc_if_known: run the second environment after the first one, and only if a collection at that one's end closes a
        connection. What is garbage stays so until it is collected: if there is none at the end, there never was, and the
        counts of both are the same. For experiments that need no more of the second one.
    thaw: whether to stop the process after the last invocation, disconnect the server, and invoke once more. This needs
        a server or a `freeze`.
    freeze: stop the process for `freeze_seconds`, and break every connection inside it, unless they are "kept".
    freeze_seconds: None: long enough for the timers that are armed, at least one second.
    max_times: invocations at most: beyond `times`, the handler is invoked until it is clear whether counts of
        connections, threads and so on keep growing, and whether memory does. At most `times`: never.
    is_thorough: also record exceptions that the user's code swallows, which slows the handler down.
    is_call: the handler is a function without arguments, and is not on Lambda.
    concurrency: environments that are invoked at the same time, as Lambda Managed Instances do.
    runtime: who calls the handler; "awslambdaric" must be installed for the interpreter.
    snapstart: between import and first invocation, run the hooks before a snapshot, break every connection, and run
        the hooks after a restore. This needs the direct runtime.
    census: False examines nothing inside the process; only outcomes and the server's counts remain.
    """

    handler: str
    events: Sequence[object]
    times: int = 5
    environment: Mapping[str, str] = field(default_factory=dict)
    path: Path | None = None
    python: str | None = None
    timeout: float = 60.0
    labels: Mapping[str, str] = field(default_factory=dict)
    server: ConnectionMonitor | None = None
    observer: InvocationObserver | None = None
    with_gc: EnvironmentConfig | None = None
    skip_gc_if_known: bool = False
    thaw: bool = True
    freeze: Freeze | None = None
    freeze_seconds: float | None = None
    max_times: int = 40
    is_thorough: bool = True
    is_call: bool = False
    concurrency: int = 1
    census: bool = True
    runtime: Runtime = "direct"
    snapstart: bool = False

    def __post_init__(self) -> None:
        if self.times < 1 or not self.events:
            raise ValueError("an experiment needs at least one event and one invocation")
        if self.runtime != "direct" and (self.snapstart or self.is_call):
            raise ValueError("snapstart and calls need the direct runtime")

    @property
    def environments(self) -> tuple[EnvironmentConfig, EnvironmentConfig]:
        """The configurations without and with garbage collection."""
        without_gc = EnvironmentConfig(
            events=self.events, environment=self.environment, server=self.server, observer=self.observer
        )
        return without_gc, self.with_gc or EnvironmentConfig(events=self.events, environment=self.environment)
