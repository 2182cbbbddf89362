"""The protocol between the laboratory and its child processes: framing, and the forms of all messages.

A message is four bytes of length, most significant first, followed by that many bytes of JSON in ASCII. The laboratory
sends requests, which name a `command`; the child answers each with one message, in order.
"""

import json
import os
import socket
from typing import Any, Literal, TypedDict

HEADER_BYTES = 4
"""Size of the length that precedes each message."""

Message = dict[str, Any]
"""A request: `command` and the fields that this command takes."""
ObservationLevel = Literal["none", "logs", "connections", "all"]
"""What an environment observes: nothing but the handler's result; what it logs as well; connections, too; everything."""
Detail = Literal["errors", "counts", "all"]
"""How closely to look after an invocation: not at what is open; at how much is open; at each new leftover, too."""


class ErrorInfo(TypedDict):
    """An exception: class name, whole text, the user's line that raised it, and the (class, text) of its chain."""

    error_type: str
    error: str
    raised_at: str | None
    chain: list[tuple[str, str]]


class LoggedError(TypedDict):
    """A log record of level ERROR: the SQS message that it is about, and its exception, where it has them."""

    message_id: str | None
    exception: ErrorInfo | None


class DefinitionInfo(TypedDict):
    """A name in the user's source: the file, its name relative to the task root, and the names from the outermost."""

    file: str
    shown: str
    names: list[str]


class LeftoverInfo(TypedDict):
    """An object that is bound to a closed event loop.

    kind: "transport", "socket", "server", "task", "cancelled task", "future", "primitive", "resource" or
        "asynchronous generator".
    owner: the path of names from a module to the object.
    line: where the object was created or, for a task, where it is suspended, as `file:line`.
    loop: the number of its loop.
    definition: the name of the variable that keeps the object, or of a task's coroutine function.
    elsewhere: for a task, the user's files that may have started it, each with its relative name.
    """

    kind: str
    type: str
    owner: str | None
    peer: str | None
    line: str | None
    loop: int
    definition: DefinitionInfo | None
    elsewhere: list[tuple[str, str]]


class VariableInfo(TypedDict):
    """A value that a module keeps: a digest of it, and whether it is `random` state or looks like a `secret`.

    file: the module's path; shown: the same, relative to the handler's folder; names: those that lead to its assignment.
    """

    file: str
    shown: str
    names: list[str]
    digest: str
    random: bool
    secret: bool


class LifecycleEvent(TypedDict):
    """The event loops and connections that one invocation, or the import, made and left.

    `loops`: numbers of the event loops that were made in it; `open`: of those that are not closed after it.
    `opened`: the connections that it opened, each with the number of the loop that ran then, null outside of any;
    `held`: those that are open after it. A connection that a C library opened is known by its descriptor only: it has
    a negative number, and its loop is not known. Nor is a loop known that only C code created.
    """

    loops: list[int]
    open: list[int]
    opened: list[tuple[int, int | None]]
    held: list[int]


class InvocationCost(TypedDict):
    """What one invocation used: connections that it opened, bytes on TCP connections, threads that it started."""

    connections: int
    bytes_sent: int
    bytes_received: int
    threads: int


class TimerInfo(TypedDict):
    """A timer that an invocation left armed.

    kind: "signal" (an interval timer), "callback" (of an event loop), "thread" or "task".
    line: the user's line that armed it, or that it runs. seconds: until it goes off, 0 where that is not known.
    fired: whether it has gone off meanwhile.
    """

    kind: str
    name: str
    line: str | None
    seconds: float
    fired: bool


class MemoryUsage(TypedDict):
    """Memory after a collection: allocated blocks, resident bytes, bytes traced by tracemalloc, bytes below /tmp."""

    blocks: int
    rss: int
    traced: int
    tmp: int


class ContainerInfo(TypedDict):
    """A container that grew: the path of names to it, its type, its definition, and its length after each call."""

    name: str
    type: str
    definition: DefinitionInfo | None
    lengths: list[int]


class AllocationInfo(TypedDict):
    """A line of the user's code, and the bytes that it allocated during a memory probe and that are still in use."""

    line: str
    bytes: int


class Observation(TypedDict):
    """What an environment observed of one invocation, or of the import.

    logged: records of level ERROR.
    captured_log: errors, warnings and ignored exceptions, as text.
    leftovers: objects bound to closed loops, each reported once.
    counts: how many "connections", "descriptors", "loops", "threads", "tasks" and "child processes" there are.
    holders: for each of these counts, what the open ones are and how many there are of each.
    coroutines: the coroutine functions of the tasks among the holders, by the words for the task.
    lifecycle: null where the level is not "all".
    printed: the end of what the invocation wrote on standard output and error.
    swallowed: exceptions that the user's code caught and did not raise again.
    loop_closed_at: the user's line that last closed an event loop by itself.
    cost: null where the level is not "all".
    tmp_writes: the files below /tmp that the process wrote, with the user's lines that did it.
    """

    logged: list[LoggedError]
    captured_log: list[str]
    leftovers: list[LeftoverInfo]
    counts: dict[str, int]
    holders: dict[str, dict[str, int]]
    coroutines: dict[str, DefinitionInfo]
    lifecycle: LifecycleEvent | None
    printed: str
    swallowed: list[ErrorInfo]
    loop_closed_at: str | None
    cost: InvocationCost | None
    tmp_writes: dict[str, str | None]


class StartAnswer(Observation):
    """The answer to `start`: why the handler cannot be imported, null where it can."""

    error: ErrorInfo | None


class InvocationAnswer(Observation):
    """The answer to `invoke`: the handler's response, or the exception that it raised.

    meter: the meter's reading. forked_at: the line of the fork whose child returned from the handler, too.
    """

    duration_ms: float
    response: Any
    error: ErrorInfo | None
    meter: Any
    forked_at: str | None


class SnapshotAnswer(TypedDict):
    """The answer to `snapshot` and `restore`: a hook's exception; the open connections in words; the variables."""

    error: ErrorInfo | None
    held: list[str]
    values: dict[str, VariableInfo]


def no_observation() -> Observation:
    """Return the observation of an environment that observes nothing."""
    return Observation(
        logged=[],
        captured_log=[],
        leftovers=[],
        counts={},
        holders={},
        coroutines={},
        lifecycle=None,
        printed="",
        swallowed=[],
        loop_closed_at=None,
        cost=None,
        tmp_writes={},
    )


def open_channel(descriptor: int) -> socket.socket:
    """Return the child's end of the channel. Processes that the handler starts must not inherit it and keep it open."""
    os.set_inheritable(descriptor, False)  # noqa: FBT003 the standard library's signature
    return socket.socket(fileno=descriptor)


def pack(message: object) -> bytes:
    """Return a message with its length in front."""
    body = json.dumps(message).encode()
    return len(body).to_bytes(HEADER_BYTES, "big") + body


def send(channel: socket.socket, message: object) -> None:
    """Write one message. Raises OSError where the other side has closed its end."""
    channel.sendall(pack(message))


def receive(channel: socket.socket) -> Message | None:
    """Wait for one message; return None where the other side has closed its end."""
    header = _receive_exactly(channel, HEADER_BYTES)
    if header is None:
        return None
    body = _receive_exactly(channel, int.from_bytes(header, "big"))
    return None if body is None else json.loads(body)


def receive_with_descriptors(channel: socket.socket, limit: int) -> tuple[Message | None, list[int]]:
    """As `receive`; also return up to `limit` open descriptors that were sent with the message."""
    header, descriptors, _, _ = socket.recv_fds(channel, HEADER_BYTES, limit)
    if len(header) < HEADER_BYTES:
        return None, descriptors
    body = _receive_exactly(channel, int.from_bytes(header, "big"))
    return (None if body is None else json.loads(body)), descriptors


def parse(body: bytes) -> Any:
    """Parse a message's JSON; half a surrogate pair, which UTF-8 cannot encode, becomes a question mark."""
    message = json.loads(body)
    if b"\\ud" in body.lower():
        message = json.loads(json.dumps(message, ensure_ascii=False).encode("utf-8", "replace"))
    return message


def _receive_exactly(channel: socket.socket, size: int) -> bytes | None:
    data = bytearray()
    while len(data) < size:
        piece = channel.recv(size - len(data))
        if not piece:
            return None
        data += piece
    return bytes(data)
