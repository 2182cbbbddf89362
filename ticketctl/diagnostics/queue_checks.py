"""Check queue, function and database against each other for settings that are known to fail.

The rules for the queue are AWS's own:
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html#events-sqs-queueconfig.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from ticketctl.settings import Settings
from ticketctl.tickets.queue_protocols import QueuePolicy

VISIBILITY_FACTOR = 6
"""A visibility timeout must be at least this many function timeouts, so that Lambda can retry throttled batches."""
MIN_RECEIVE_COUNT = 5
"""A lower max receive count moves messages to the dead-letter queue through throttling alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueFinding:
    """One mismatch: the setting to change, the cause, the fix."""

    setting: str
    cause: str
    fix: str


def check_queue(settings: Settings, policy: QueuePolicy, connection_limit: int | None) -> list[QueueFinding]:
    """Compare the settings with the queue's policy and with the connections that the server allows.

    `connection_limit` is None if it is unknown.
    """
    return [
        *_check_reserve(settings),
        *_check_visibility(settings, policy.visibility_timeout),
        *_check_receive_count(policy.max_receive_count),
        *(() if connection_limit is None else _check_connections(settings, connection_limit)),
    ]


def minimum_visibility_timeout(settings: Settings) -> float:
    """Return the shortest visibility timeout, in seconds, with which a batch that waits for Lambda is not sent twice."""
    return VISIBILITY_FACTOR * settings.function_timeout + settings.window


def _check_reserve(settings: Settings) -> Iterator[QueueFinding]:
    if settings.shutdown_reserve >= settings.function_timeout:
        yield QueueFinding(
            setting="shutdown_reserve",
            cause=f"the shutdown reserve of {settings.shutdown_reserve:g} s leaves no time of the function timeout of "
            f"{settings.function_timeout:g} s: no ticket is ever started",
            fix="set a function timeout well above the shutdown reserve",
        )


def _check_visibility(settings: Settings, visibility_timeout: float) -> Iterator[QueueFinding]:
    minimum = minimum_visibility_timeout(settings)
    if visibility_timeout < minimum:
        yield QueueFinding(
            setting="visibility_timeout",
            cause=f"the visibility timeout of {visibility_timeout:g} s is shorter than {VISIBILITY_FACTOR} times the "
            f"function timeout of {settings.function_timeout:g} s plus the window of {settings.window:g} s: "
            "the queue delivers a batch again while Lambda still retries it",
            fix=f"set a visibility timeout of at least {minimum:g} s",
        )


def _check_receive_count(max_receive_count: int | None) -> Iterator[QueueFinding]:
    if max_receive_count is None:
        yield QueueFinding(
            setting="queue_url",
            cause="the queue has no dead-letter queue: a message that always fails is delivered again until it expires, "
            "and is then lost",
            fix="give the queue a redrive policy with a dead-letter queue",
        )
    elif max_receive_count < MIN_RECEIVE_COUNT:
        yield QueueFinding(
            setting="max_receive_count",
            cause=f"a message becomes a dead letter after {max_receive_count} deliveries: throttling alone can cause that",
            fix=f"allow at least {MIN_RECEIVE_COUNT} deliveries",
        )


def _check_connections(settings: Settings, limit: int) -> Iterator[QueueFinding]:
    wanted = settings.concurrency * settings.max_connections
    if wanted > limit:
        yield QueueFinding(
            setting="concurrency",
            cause=f"{settings.concurrency} environments with {settings.max_connections} connections each can open "
            f"{wanted} connections, but the server allows {limit}: it refuses the rest",
            fix=f"set a concurrency of at most {limit // settings.max_connections}, or put a pooler in front of the server",
        )
