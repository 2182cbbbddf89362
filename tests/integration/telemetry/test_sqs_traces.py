"""One trace through SQS, against moto's server: from what queues a ticket to the worker's record."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import closing
from typing import Any
from uuid import uuid4

import boto3
import pytest

from tests.otlp_receiver import OtlpReceiver, otlp_receiver
from tests.people import BY
from ticketctl.postgres.address import Address
from ticketctl.postgres.decisions import PostgresDecisions
from ticketctl.postgres.engine import Engines
from ticketctl.postgres.error_mapping import ErrorMappingConnections
from ticketctl.postgres.imports import PostgresImports
from ticketctl.postgres.outbox import PostgresOutbox
from ticketctl.postgres.pools import POOLS
from ticketctl.postgres.store import PostgresStore
from ticketctl.queues.sqs import SqsQueue
from ticketctl.settings import Settings
from ticketctl.telemetry.protocols import Telemetry
from ticketctl.telemetry.selection import open_telemetry
from ticketctl.tickets.decisions import Decision
from ticketctl.tickets.importing.records import ImportedTicket
from ticketctl.tickets.models import NewTicket
from ticketctl.tickets.operations import flush
from ticketctl.worker import Worker

pytestmark = pytest.mark.usefixtures("aws_credentials")
QUEUE_AGAIN = Decision(action="retry")


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    with otlp_receiver() as started:
        yield started


@pytest.fixture
def telemetry(receiver: OtlpReceiver) -> Iterator[Telemetry]:
    opened = open_telemetry({"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url}, "test")
    yield opened
    opened.flush(is_last=True)


@pytest.fixture
async def connections(emptied_url: str, telemetry: Telemetry) -> AsyncIterator[ErrorMappingConnections]:
    address = Address.parse(emptied_url)
    engines = Engines(address, POOLS["dispose"], Settings(), telemetry=telemetry)
    async with engines.open_connections() as opened:
        yield ErrorMappingConnections(opened, address)


@pytest.fixture
def queue(aws: str, telemetry: Telemetry) -> SqsQueue:
    client = boto3.client("sqs", region_name="us-east-1", endpoint_url=aws)
    return SqsQueue(client.create_queue(QueueName=uuid4().hex)["QueueUrl"], Settings(), telemetry)


async def process(queue: SqsQueue, emptied_url: str, telemetry: Telemetry) -> None:
    """Deliver what is in the queue to a worker, as Lambda's event source mapping does."""
    deliveries = await queue.receive(10, wait=5)
    assert deliveries
    event = {"Records": [delivery.record for delivery in deliveries]}
    await invoke(event, emptied_url, telemetry)
    await queue.delete(deliveries)


async def invoke(event: Mapping[str, Any], emptied_url: str, telemetry: Telemetry) -> None:
    with closing(Worker(Settings(database_url=emptied_url), telemetry=telemetry)) as worker:
        answer = await asyncio.to_thread(worker.handle, event, None)
    assert answer == {"batchItemFailures": []}


def trace_of(receiver: OtlpReceiver, producer: str) -> list[str]:
    """The spans of the producer's trace that carry the message on, from the producer to the record."""
    created = receiver.only(producer)
    (batch,) = [span for span in receiver.spans if span.name == "process batch"]
    (record,) = [span for span in receiver.spans if span.name == "process tickets"]
    assert (batch.parent, record.parent) == (created.id, batch.id)
    (sent,) = [span for span in receiver.spans if span.name == "send tickets"]
    assert created.trace in sent.links
    return [span.name for span in (created, batch, record) if span.trace == created.trace]


WHOLE = ["create tickets", "process batch", "process tickets"]


async def test_a_ticket_that_is_created_imported_or_retried_has_one_trace(
    connections: ErrorMappingConnections,
    queue: SqsQueue,
    telemetry: Telemetry,
    receiver: OtlpReceiver,
    emptied_url: str,
) -> None:
    outbox = PostgresOutbox(connections)
    imported = ImportedTicket(place="1", ticket=NewTicket(subject="charged twice", idempotency_key="k"))

    async def create() -> None:
        await PostgresStore(connections).create(NewTicket(subject="I was charged twice"))

    async def import_one() -> None:
        await PostgresImports(connections).create_many([imported], created_by="import:x")

    async def retry() -> None:
        ids = await PostgresImports(connections).find_keys(["k"])
        changed = await PostgresDecisions(connections).apply(QUEUE_AGAIN, list(ids.values()), by=BY)
        assert all(decided.is_changed for decided in changed.values())

    for queue_ticket in (create, import_one):
        receiver.clear()
        await queue_ticket()
        assert await flush(outbox, queue) == 1
        await process(queue, emptied_url, telemetry)
        assert trace_of(receiver, "create tickets") == WHOLE
    async with connections.acquire() as connection:
        await connection.exec_driver_sql("update tickets set status = 'failed'")
    telemetry.flush()
    receiver.clear()
    await retry()
    assert await flush(outbox, queue) == 1
    await process(queue, emptied_url, telemetry)
    assert trace_of(receiver, "create tickets") == WHOLE


@pytest.mark.parametrize(
    "attribute",
    [
        None,
        "text",
        7,
        [],
        {},
        {"stringValue": None},
        {"stringValue": 7},
        {"stringValue": ["00"]},
        {"binaryValue": "AAAA", "dataType": "Binary"},
        {"stringValue": "0" * 10_000, "dataType": "String"},
        {"stringValue": "00-" + "g" * 32 + "-" + "g" * 16 + "-01", "dataType": "String"},
        {"stringValue": "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "dataType": "String"},
        {"stringValue": "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "dataType": "String"},
    ],
    ids=repr,
)
async def test_no_attribute_makes_a_record_fail(
    telemetry: Telemetry,
    receiver: OtlpReceiver,
    emptied_url: str,
    ask: Callable[[str], str],
    attribute: Any,
) -> None:
    made = ask("insert into tickets (subject) values ('I was charged twice') returning id").split()[0]
    record = {
        "messageId": "m",
        "body": f'{{"ticket_id": {made}}}',
        "messageAttributes": {"traceparent": attribute},
        "eventSource": "aws:sqs",
    }
    await invoke({"Records": [record]}, emptied_url, telemetry)
    assert ask("select status from tickets") == "processed"
    batch, processed = receiver.only("process batch"), receiver.only("process tickets")
    assert (batch.parent, processed.trace) == ("", batch.trace)
