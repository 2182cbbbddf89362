"""The event source mapping with real execution environments and an in-memory queue."""
# ruff: noqa: ARG001, ARG002 - a fake has the signatures of its protocol

import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from tests.fakes import NOON
from ticketctl.errors import ConfigError, QueueError
from ticketctl.queues.event_source_mapping import (
    BatchSettled,
    EnvironmentStarted,
    EventSourceMapping,
    MappingEvent,
    QueueRetry,
)
from ticketctl.settings import Settings
from ticketctl.tickets.messages import build_record
from ticketctl.tickets.protocols import DeadLetter, Delivery, QueuePolicy
from ticketctl.warmstart.runner.local_function import LocalFunction

HANDLERS = "tests.integration.queues.handlers"
SETTINGS = Settings(batch_size=3, function_timeout=20, visibility_timeout=60)


class QueueInMemory:
    """Delivers each released message once more, then drops it; the first `refusals` receives raise."""

    def __init__(self, number: int, refusals: int = 0) -> None:
        self.messages = [str(n) for n in range(number)]
        self.deleted: list[str] = []
        self.returned: list[str] = []
        self._refusals = refusals

    async def receive(self, limit: int, *, wait: float) -> Sequence[Delivery]:
        if self._refusals:
            self._refusals -= 1
            raise QueueError("not now")
        batch, self.messages = self.messages[:limit], self.messages[limit:]
        return [self._delivery(message_id) for message_id in batch]

    async def delete(self, deliveries: Sequence[Delivery]) -> None:
        self.deleted += [delivery.message_id for delivery in deliveries]

    async def release(self, deliveries: Sequence[Delivery]) -> None:
        ids = [delivery.message_id for delivery in deliveries]
        self.messages += [message_id for message_id in ids if message_id not in self.returned]
        self.returned += ids

    async def count_backlog(self) -> int:
        return len(self.messages)

    async def list_dead_letters(self, limit: int) -> Sequence[DeadLetter]:
        return []

    async def redrive(self, letters: Sequence[DeadLetter]) -> int:
        return 0

    async def purge(self, letters: Sequence[DeadLetter]) -> int:
        return 0

    async def get_policy(self) -> QueuePolicy:
        return QueuePolicy(visibility_timeout=60, max_receive_count=2)

    def _delivery(self, message_id: str) -> Delivery:
        count = 1 + self.returned.count(message_id)
        record = build_record('{"ticket_id": 1}', message_id=message_id, receive_count=count, sent_at=NOON)
        return Delivery(message_id=message_id, receipt=message_id, receive_count=count, record=record)


def local_function(handler: str, seen: Path, meter: str | None = None) -> Callable[[], LocalFunction]:
    return partial(
        LocalFunction,
        f"{HANDLERS}:{handler}",
        name="tickets",
        environment={"SEEN": str(seen)},
        is_quiet=True,
        meter=meter,
    )


@pytest.fixture
def seen(tmp_path: Path) -> Path:
    return tmp_path / "seen"


async def drain(
    queue: QueueInMemory, handler: str, seen: Path, settings: Settings = SETTINGS
) -> list[MappingEvent]:
    events: list[MappingEvent] = []
    function = local_function(handler, seen)
    await EventSourceMapping(queue, function, settings, events.append, drain=True).run()
    return events


def calls_in(seen: Path) -> list[list[str]]:
    """Read what `works` wrote: process id, number of the call, milliseconds left, records."""
    return [line.split() for line in seen.read_text("utf-8").splitlines()]


def invocations(events: list[MappingEvent]) -> list[BatchSettled]:
    return [event for event in events if isinstance(event, BatchSettled)]


async def test_one_environment_stays_warm_for_all_batches(seen: Path) -> None:
    queue = QueueInMemory(7)
    await drain(queue, "works", seen)
    assert queue.deleted == [str(n) for n in range(7)]
    calls = calls_in(seen)
    assert [(number, records) for _, number, _, records in calls] == [("1", "3"), ("2", "3"), ("3", "1")]
    assert len({pid for pid, *_ in calls}) == 1
    assert all(0 < int(remaining) <= 20_000 for _, _, remaining, _ in calls)


async def test_the_remaining_time_ends_before_the_visibility_timeout(seen: Path) -> None:
    await drain(QueueInMemory(1), "works", seen, replace(SETTINGS, visibility_timeout=10))
    assert int(calls_in(seen)[0][2]) < 10_000


async def test_returned_messages_are_released_and_the_others_deleted(seen: Path) -> None:
    queue = QueueInMemory(3)
    await drain(queue, "fails_the_first", seen)
    assert queue.deleted == ["1", "2"]
    assert queue.returned == ["0", "0"]


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        ("names_a_stranger", "stranger"),
        ("raises", "ValueError: no"),
        ("dies", "died"),
        ("answers_no_json", "not JSON serializable"),
        ("hangs", "did not end within"),
    ],
)
async def test_a_failed_invocation_releases_the_whole_batch(seen: Path, handler: str, reason: str) -> None:
    queue = QueueInMemory(3)
    events = await drain(queue, handler, seen, replace(SETTINGS, function_timeout=0.5))
    assert queue.deleted == []
    assert sorted(queue.returned) == ["0", "0", "1", "1", "2", "2"]
    assert all(reason in (invoked.error or "") for invoked in invocations(events))


async def test_a_dead_environment_is_replaced(seen: Path) -> None:
    events = await drain(QueueInMemory(3), "dies", seen)
    started = [event for event in events if isinstance(event, EnvironmentStarted)]
    assert [start.again for start in started][:2] == [False, True]
    assert len({start.pid for start in started}) == len(started)


async def test_a_failing_queue_call_is_retried(seen: Path) -> None:
    queue = QueueInMemory(3, refusals=3)
    events = await drain(queue, "works", seen)
    assert len(queue.deleted) == 3
    assert sum(isinstance(event, QueueRetry) for event in events) == 3


async def test_a_handler_that_cannot_be_imported_is_a_config_error(seen: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        await drain(QueueInMemory(3), "nowhere", seen)


async def test_stop_finishes_the_batch_and_receives_no_more(seen: Path) -> None:
    queue = QueueInMemory(30)
    function = local_function("works", seen)

    def on_event(event: MappingEvent) -> None:
        if isinstance(event, BatchSettled):
            mapping.stop()

    mapping = EventSourceMapping(queue, function, SETTINGS, on_event)
    await mapping.run()
    assert queue.deleted == ["0", "1", "2"]
    assert len(queue.messages) == 27


async def test_a_killed_idle_environment_is_replaced_before_the_next_batch(seen: Path) -> None:
    queue, killed = QueueInMemory(6), list[int]()
    function = local_function("works", seen)

    def on_event(event: MappingEvent) -> None:
        if isinstance(event, BatchSettled) and not killed:
            killed.append(int(calls_in(seen)[0][0]))
            os.kill(killed[0], signal.SIGKILL)

    await EventSourceMapping(queue, function, SETTINGS, on_event, drain=True).run()
    assert sorted(queue.deleted) == [str(n) for n in range(6)]


@pytest.mark.parametrize(("messages", "spent"), [(3, 0.25), (7, 0.75)])
async def test_the_meter_is_read_after_each_invocation(seen: Path, messages: int, spent: float) -> None:
    readings: list[list[float | None]] = []
    queue = QueueInMemory(messages)
    mapping = EventSourceMapping(
        queue,
        local_function("works", seen, meter=f"{HANDLERS}:spent"),
        SETTINGS,
        lambda _: readings.append(mapping.readings),
        drain=True,
    )
    await mapping.run()
    assert (readings[0], mapping.readings) == ([], [spent])


async def test_the_readings_survive_the_end_of_a_process(seen: Path) -> None:
    def on_event(event: MappingEvent) -> None:
        if isinstance(event, BatchSettled) and event.error is None:
            os.kill(int(calls_in(seen)[-1][0]), signal.SIGKILL)

    mapping = EventSourceMapping(
        QueueInMemory(7),
        local_function("works", seen, meter=f"{HANDLERS}:spent"),
        SETTINGS,
        on_event,
        drain=True,
    )
    await mapping.run()
    calls = calls_in(seen)
    assert len({pid for pid, *_ in calls}) > 1
    assert sum(mapping.readings) == 0.25 * len(calls)


async def test_a_batching_window_waits_for_the_batch_to_fill(seen: Path) -> None:
    queue = QueueInMemory(0)
    trickle = iter([["0"], [], ["1"], [], ["2"]])

    async def receive(limit: int, *, wait: float) -> Sequence[Delivery]:
        return [queue._delivery(message_id) for message_id in next(trickle, [])]

    queue.receive = receive  # type: ignore[method-assign]
    await drain(queue, "works", seen, replace(SETTINGS, window=30))
    assert [call[3] for call in calls_in(seen)] == ["3"]
