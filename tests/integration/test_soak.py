"""Hundreds of warm invocations: what the process and the server hold does not grow. The benchmarks run thousands."""

import gc
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes import NOON, FakeContext
from ticketctl.settings import Settings
from ticketctl.tickets.messages import TicketMessage, build_event
from ticketctl.worker import Worker

PART, PARTS = 40, 4
FEW = 40
"""Objects that a part may leave: one for each invocation would be a leak."""


@pytest.mark.parametrize(
    ("pool", "loop", "connections"), [("null", "run-per-invocation", 0), ("queue-pre-ping", "runner", 1)]
)
def test_warm_invocations_leave_nothing_behind(
    emptied_url: str,
    ask: Callable[[str], str],
    settled: Callable[[str, int], int],
    caplog: pytest.LogCaptureFixture,
    pool: str,
    loop: str,
    connections: int,
) -> None:
    caplog.set_level(logging.CRITICAL, "ticketctl")  # pytest keeps every record
    ask(f"insert into tickets (subject) select 'Order ' || n from generate_series(1, {PART * PARTS}) n")  # noqa: S608 - a number
    ids = [int(line) for line in ask("select id from tickets order by id").split()]
    name, descriptors, objects = f"soak-{pool}", list[int](), list[int]()
    worker = Worker(Settings(database_url=emptied_url, pool=pool, loop=loop, application_name=name))
    try:
        for start in range(0, len(ids), PART):
            for ticket_id in ids[start : start + PART]:
                message = TicketMessage(message_id=f"m-{ticket_id}", ticket_id=ticket_id)
                answer = worker.handle(build_event([message], sent_at=NOON), FakeContext())
                assert answer == {"batchItemFailures": []}
            assert settled(name, connections) == connections
            gc.collect()
            descriptors.append(sum(1 for _ in Path("/dev/fd").iterdir()))
            objects.append(len(gc.get_objects()))
    finally:
        worker.close()
    assert max(descriptors) == descriptors[0]
    assert objects[-1] <= objects[1] + FEW
