"""What is known to go wrong with a queue, a function and a database that do not fit each other.

The rules on the queue are AWS's own:
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html#events-sqs-queueconfig.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from ticketctl.settings import Settings
from ticketctl.tickets.protocols import QueuePolicy

VISIBILITY_FACTOR = 6
"""Function timeouts that a visibility timeout covers at least, so that throttled batches can be tried again."""
FEWEST_DELIVERIES = 5
"""Deliveries before a message is given up, so that throttling alone kills none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueFinding:
    """One thing that does not fit: the setting to look at, what happens, what to do."""

    setting: str
    cause: str
    fix: str


def check_queue(settings: Settings, policy: QueuePolicy, connection_limit: int | None) -> list[QueueFinding]:
    """Compare the settings with the queue's own policy, and with the connections that the server has to give.

    `connection_limit` is None where no server was asked.
    """
    return [
        *_reserve(settings),
        *_visibility(settings, policy.visibility_timeout),
        *_deliveries(policy.max_receive_count),
        *(() if connection_limit is None else _connections(settings, connection_limit)),
    ]


def minimum_visibility_timeout(settings: Settings) -> float:
    """The seconds that a queue has to hide messages for, so that a batch that waits for its turn is not sent twice."""
    return VISIBILITY_FACTOR * settings.function_timeout + settings.window


def _reserve(settings: Settings) -> Iterator[QueueFinding]:
    if settings.shutdown_reserve >= settings.function_timeout:
        yield QueueFinding(
            setting="shutdown_reserve",
            cause=f"{settings.shutdown_reserve:g} s of each invocation are kept free at its end, and it has "
            f"{settings.function_timeout:g} s: nothing is ever started",
            fix="a function timeout well above the reserve",
        )


def _visibility(settings: Settings, visibility_timeout: float) -> Iterator[QueueFinding]:
    least = minimum_visibility_timeout(settings)
    if visibility_timeout < least:
        yield QueueFinding(
            setting="visibility_timeout",
            cause=f"messages are hidden for {visibility_timeout:g} s, less than {VISIBILITY_FACTOR} times the "
            f"function timeout of {settings.function_timeout:g} s and the window of {settings.window:g} s: "
            "a batch that waits for its turn is delivered a second time meanwhile",
            fix=f"a visibility timeout of {least:g} s at least",
        )


def _deliveries(max_receive_count: int | None) -> Iterator[QueueFinding]:
    if max_receive_count is None:
        yield QueueFinding(
            setting="queue_url",
            cause="the queue has no dead-letter queue: a message that always fails comes again until it expires, "
            "and then is gone",
            fix="a redrive policy that names a dead-letter queue",
        )
    elif max_receive_count < FEWEST_DELIVERIES:
        yield QueueFinding(
            setting="max_receive_count",
            cause=f"a message is given up after {max_receive_count} deliveries: throttling alone can do that",
            fix=f"{FEWEST_DELIVERIES} deliveries at least",
        )


def _connections(settings: Settings, limit: int) -> Iterator[QueueFinding]:
    wanted = settings.concurrency * settings.max_connections
    if wanted > limit:
        yield QueueFinding(
            setting="concurrency",
            cause=f"{settings.concurrency} environments with {settings.max_connections} connections each can want "
            f"{wanted} connections, and the server has {limit} to give: the next one is refused",
            fix=f"a concurrency of {limit // settings.max_connections} at most, or a pooler in front of the server",
        )
