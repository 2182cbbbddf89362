"""The event source mapping with real execution environments and an in-memory queue."""
# ruff: noqa: ARG001, ARG002 - a fake has the signatures of its protocol

import asyncio
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import NOON
from ticketctl.errors import ConfigError, QueueError
from ticketctl.queues.event_source_mapping import (
    BatchReceived,
    BatchSettled,
    EnvironmentStarted,
    EventSourceMapping,
    MappingEvent,
    QueueRetry,
)
from ticketctl.settings import Settings
from ticketctl.tickets.messages import build_record
from ticketctl.tickets.queue_protocols import DeadLetter, Delivery, QueuePolicy
from ticketctl.warmstart.runner.local_function import LocalFunction

HANDLERS = "tests.integration.queues.handlers"
SETTINGS = Settings(batch_size=3, function_timeout=20, visibility_timeout=60)


class QueueInMemory:
    """Delivers each released message once more, then drops it; the first `refusals` receives raise."""

    def __init__(self, number: int, refusals: int = 0) -> None:
        self.messages = [str(n) for n in range(number)]
        self.deleted: list[str] = []
        self.returned: list[str] = []
        self.extended: list[str] = []
        self.gives_up_after = 2
        self._refusals = refusals

    async def receive(self, limit: int, *, wait: float) -> Sequence[Delivery]:
        if self._refusals:
            self._refusals -= 1
            raise QueueError("not now")
        batch, self.messages = self.messages[:limit], self.messages[limit:]
        return [self._delivery(message_id) for message_id in batch]

    async def delete(self, deliveries: Sequence[Delivery]) -> None:
        self.deleted += [delivery.message_id for delivery in deliveries]

    async def release(self, deliveries: Sequence[Delivery]) -> Sequence[str]:
        ids = [delivery.message_id for delivery in deliveries]
        given_up = [one for one in ids if self.returned.count(one) + 1 >= self.gives_up_after]
        self.messages += [one for one in ids if one not in given_up]
        self.returned += ids
        return given_up

    async def extend(self, deliveries: Sequence[Delivery]) -> None:
        self.extended += [delivery.message_id for delivery in deliveries]

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


async def test_an_invocation_has_the_functions_timeout_and_extends_a_shorter_visibility_timeout(
    seen: Path,
) -> None:
    queue = QueueInMemory(2)
    await drain(queue, "waits", seen, replace(SETTINGS, visibility_timeout=0.3))
    assert 10_000 < int(calls_in(seen)[0][2]) <= 20_000
    assert queue.extended.count("0") == queue.extended.count("1") >= 2
    assert queue.deleted == ["0", "1"]


class RecordingStore:
    """Keeps the errors that are written."""

    def __init__(self) -> None:
        self.errors: list[tuple[Sequence[int], str]] = []

    async def write_error(self, ticket_ids: Sequence[int], error: str) -> None:
        self.errors.append((ticket_ids, error))


async def test_the_error_of_a_failed_invocation_is_written_on_its_tickets(
    seen: Path,
) -> None:
    store: Any = RecordingStore()
    mapping = EventSourceMapping(
        QueueInMemory(1), local_function("raises", seen), SETTINGS, lambda _: None, drain=True, store=store
    )
    await mapping.run()
    assert store.errors == [([1], "the handler raised ValueError: no")] * 2


async def test_failed_invocations_pause_the_mapping_for_longer_and_longer(seen: Path) -> None:
    queue = QueueInMemory(1)
    queue.gives_up_after = 3
    events: list[tuple[float, MappingEvent]] = []
    mapping = EventSourceMapping(
        queue,
        local_function("raises", seen),
        SETTINGS,
        lambda event: events.append((time.monotonic(), event)),
        drain=True,
    )
    await mapping.run()
    received = [at for at, event in events if isinstance(event, BatchReceived)]
    settled = [at for at, event in events if isinstance(event, BatchSettled)]
    pauses = [after - before for before, after in zip(settled, received[1:], strict=False)]
    assert len(pauses) == 2
    assert pauses[0] >= 0.2
    assert pauses[1] >= 0.5


async def test_a_paused_mapping_receives_nothing_until_it_is_resumed(seen: Path) -> None:
    queue = QueueInMemory(1)
    mapping = EventSourceMapping(queue, local_function("works", seen), SETTINGS, lambda _: None, drain=True)
    mapping.pause()
    running = asyncio.create_task(mapping.run())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(running), 0.3)
    assert (mapping.is_paused, queue.messages) == (True, ["0"])
    mapping.resume()
    await running
    assert queue.deleted == ["0"]


async def test_a_paused_mapping_can_be_stopped(seen: Path) -> None:
    queue = QueueInMemory(1)
    mapping = EventSourceMapping(queue, local_function("works", seen), SETTINGS, lambda _: None)
    mapping.pause()
    running = asyncio.create_task(mapping.run())
    mapping.stop()
    await asyncio.wait_for(running, 60)
    assert queue.messages == ["0"]


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


async def test_a_drain_ends_with_the_error_of_a_queue_that_stays_away(seen: Path) -> None:
    queue, retries = QueueInMemory(3, refusals=1_000_000), list[MappingEvent]()
    mapping = EventSourceMapping(
        queue,
        local_function("works", seen),
        replace(SETTINGS, concurrency=2),
        retries.append,
        drain=True,
        drain_retry_seconds=0.5,
    )
    with pytest.raises(QueueError, match="not now"):
        await mapping.run()
    assert sum(isinstance(event, QueueRetry) for event in retries) >= 2
    assert queue.messages == ["0", "1", "2"]


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
