"""20,000 generated events: each is refused as a whole, or all of its messages are accounted for."""

import gc
import json
import logging
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pytest

from tests.fakes import NOON, FakeContext, FakeProvider, FakeStore, new_ticket, pipeline_of
from ticketctl.errors import InvalidInputError, ProviderError
from ticketctl.processing.pipeline import Pipeline
from ticketctl.settings import Settings
from ticketctl.tickets.messages import build_record, message_body
from ticketctl.tickets.models import Step
from ticketctl.tickets.statuses import TicketStatus
from ticketctl.worker import Worker

EVENTS = 20_000
TICKETS = range(1, 6)
JUNK: list[Any] = [
    None, True, 0, -1, 1e308, 10**400, "", "\ud800", "\0", "é😀", [], {}, [[]], {"": {}}, "x" * 5000,
    {"Records": []}, '{"ticket_id": 1}', {"ticket_id": 1}, float("nan"), "1e400", ["messageId"], {"messageId": 1},
]  # fmt: skip
SOURCES = ["aws:kinesis", "aws:dynamodb", "aws:s3", "aws:sns", "aws:kafka", "aws:new", "", 7, None]


NAMED = re.compile(r'ticket_id\\*": *(\d+)')
"""The ticket in a body, also in an envelope."""


class Generator:
    """Generates events from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311 - the same events in every run

    def event(self) -> Any:
        """Return an SQS event in nine of ten cases, in the others something else."""
        kind = self.random.random()
        if kind < 0.9:
            return {"Records": [self.record() for _ in range(self.random.randrange(6))]}
        if kind < 0.93:
            records = [self.record() for _ in range(3)]
            records[self.random.randrange(3)][self.random.choice(["eventSource", "EventSource"])] = (
                self.random.choice(SOURCES)
            )
            return {"Records": records}
        if kind < 0.96:
            records = [self.record(), self.record()]
            self.random.choice(records).update(messageId=self.random.choice(JUNK))
            return {"Records": [*records, *self.random.choices(JUNK, k=self.random.randrange(2))]}
        junk = self.random.choice(JUNK)
        key = self.random.choice(["Records", "records", "Messages", "detail-type", "awslogs", "httpMethod"])
        return self.random.choice([junk, {key: junk}])

    def record(self) -> dict[str, Any]:
        """Return a record with a messageId; the rest may be anything."""
        group = self.random.choice([None, None, "ada", "bob", "\udc00"])
        record = build_record(
            message_body(1),
            message_id=f"m-{self.random.randrange(10**9)}",
            receive_count=self.random.randrange(1, 7),
            sent_at=NOON,
            group=group,
        )
        record["body"] = self.body()
        for name in self.random.sample(sorted(record), self.random.choice([0, 0, 0, 1, 2])):
            if name not in {"messageId", "eventSource"}:
                record[name] = self.random.choice(JUNK)
        return record

    def body(self) -> str:
        """Return the body of a ticket, perhaps in an envelope or damaged."""
        body = message_body(self.random.choice([*TICKETS, *TICKETS, 99, 2**62]))
        kind = self.random.random()
        if kind < 0.1:
            body = json.dumps({"Type": "Notification", "Message": body})
        elif kind < 0.2:
            body = json.dumps({"detail-type": "x", "detail": self.random.choice([json.loads(body), *JUNK])})
        elif kind < 0.3:
            body = json.dumps(self.random.choice(JUNK))
        elif kind < 0.4:
            cut = self.random.randrange(len(body))
            body = body[:cut] + self.random.choice(["", "\0", "\ud800", "{", "9" * 50]) + body[cut:]
        return body


def is_sqs(event: Any) -> bool:
    """Say, independently of the parser, whether an event consists of SQS records."""
    if not isinstance(event, dict) or not isinstance(event.get("Records"), list):
        return False
    return all(
        isinstance(record, dict)
        and isinstance(record.get("messageId"), str)
        and record["messageId"] != ""
        and not any(
            isinstance(record.get(key), str) and record[key] not in {"", "aws:sqs"}
            for key in ("eventSource", "EventSource")
        )
        for record in event["Records"]
    )


class Rig:
    """One worker with one event loop over a store in memory."""

    def __init__(self) -> None:
        self.store = FakeStore()
        self.provider = FakeProvider(failing={(5, Step.CLASSIFY): ProviderError("down")})
        self.worker = Worker(Settings(loop="runner"), pipelines=self._open)

    def handle(self, event: Any) -> set[str]:
        """Process the event with new tickets and return the messages in the response."""
        self.store.tickets = {number: new_ticket(number) for number in TICKETS}
        self.store.steps.clear()
        self.provider.asked.clear()
        self.provider.classifications.clear()
        response = json.loads(json.dumps(self.worker.handle(event, FakeContext())))
        returned = [item["itemIdentifier"] for item in response.pop("batchItemFailures")]
        assert response == {}
        assert len(returned) == len(set(returned))
        return set(returned)

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[Pipeline]:
        yield pipeline_of(self.store, self.provider)


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.worker.close()


def processed(store: FakeStore) -> set[int]:
    return {ticket.id for ticket in store.tickets.values() if ticket.status is TicketStatus.PROCESSED}


def test_every_message_is_done_or_returned_and_memory_stays_flat(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "ticketctl")  # pytest keeps every record
    generator = Generator(2026)
    objects = 0
    refused = 0
    for number in range(EVENTS):
        if number == EVENTS // 10:
            gc.collect()
            objects = len(gc.get_objects())
        event = generator.event()
        if not is_sqs(event):
            refused += 1
            with pytest.raises(InvalidInputError, match="not an SQS event"):
                rig.handle(event)
            continue
        returned = rig.handle(event)
        sent = {record["messageId"]: record["body"] for record in event["Records"]}
        assert returned <= sent.keys()
        done = processed(rig.store)
        for message_id in sent.keys() - returned:
            named = NAMED.search(sent[message_id])
            assert named is not None
            assert int(named[1]) in done
    gc.collect()
    assert len(gc.get_objects()) < objects * 1.02
    assert EVENTS * 0.02 < refused < EVENTS * 0.2
