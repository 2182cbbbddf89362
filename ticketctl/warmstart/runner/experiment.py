"""What is tried: a handler, the events it gets, and what surrounds it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from ticketctl.warmstart.report.model import Invocation

Freeze = Literal["closed", "silent"]
"""How connections are lost while the process is frozen."""


class ConnectionMonitor(Protocol):
    """A database as seen from outside: the connections that one environment holds on it."""

    async def connections(self) -> int:
        """Return how many connections the environment holds at this moment."""

    async def disconnect(self) -> None:
        """Close all of the environment's connections from the server's side; none is no error."""


Runtime = Literal["direct", "awslambdaric"]
"""Who calls the handler: the child itself, or AWS's own runtime client, fed by a Runtime API on loopback."""
InvocationObserver = Callable[[Invocation], Awaitable[None]]
"""Is told of each invocation when it has ended, and may look at what it left in the world outside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentConfig:
    """What one environment has to itself: its events, environment variables, and its view of the server."""

    events: Sequence[object]
    environment: Mapping[str, str] = field(default_factory=dict)
    server: ConnectionMonitor | None = None
    observer: InvocationObserver | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """A handler to be invoked `times` times in one process, as Lambda does with a warm environment.

    handler: "module:function", or "module.function" as Lambda has it.
    events: invocation i gets events[(i - 1) % len(events)]; the one after the thaw comes next in turn.
    environment: variables that are set in the child process only.
    path: folder that is the working directory and comes first on sys.path.
    python: another interpreter, 3.11 or newer.
    timeout: seconds that one invocation, or the import, may take; then it hangs.
    labels: carried into the report and never looked at.
    server: for the environment without garbage collection; counts and cuts its connections.
    observer: for the same environment; the invocation after the thaw is not told.
    with_gc: what the second environment gets, the one with the garbage collector on. It runs at the same time,
        so give it events of its own where the same ones would be in each other's way. None: the same events and
        variables, and no server.
    thaw: whether to stop the process after the last invocation, disconnect the server, and invoke once more. It
        takes a server or a `freeze`.
    freeze: cut every connection of the process itself instead, "closed" as a far end closes it, or "silent" as one
        that is never heard of again.
    runtime: who calls the handler; "awslambdaric" has to be installed for the interpreter.
    snapstart: between import and first invocation, run the hooks before a snapshot, lose every connection, and run
        the hooks after a restore. It takes the direct runtime.
    census: False looks at nothing inside the process; only outcomes and the server's counts are left.
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
    thaw: bool = True
    freeze: Freeze | None = None
    census: bool = True
    runtime: Runtime = "direct"
    snapstart: bool = False

    def __post_init__(self) -> None:
        if self.times < 1 or not self.events:
            raise ValueError("an experiment needs at least one event and one invocation")
        if self.snapstart and self.runtime != "direct":
            raise ValueError("snapstart takes the direct runtime")

    @property
    def environments(self) -> tuple[EnvironmentConfig, EnvironmentConfig]:
        """What the environments without and with garbage collection get."""
        alone = EnvironmentConfig(
            events=self.events, environment=self.environment, server=self.server, observer=self.observer
        )
        return alone, self.with_gc or EnvironmentConfig(events=self.events, environment=self.environment)
