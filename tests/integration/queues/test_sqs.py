"""The SQS adapter over HTTP against moto's server."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from uuid import uuid4

import asyncpg
import boto3
import pytest

from tests.moto_server import moto
from tests.people import BY
from tests.serving import open_client
from ticketctl import worker
from ticketctl.errors import ConfigError, QueueError
from ticketctl.postgres.operations import PostgresOperations
from ticketctl.postgres.outbox import PostgresOutbox
from ticketctl.postgres.store import PostgresStore
from ticketctl.queues.sqs import SqsQueue
from ticketctl.settings import Settings
from ticketctl.tickets.messages import TicketMessage, message_body, parse_event
from ticketctl.tickets.models import NewTicket
from ticketctl.tickets.operations import flush, redrive
from ticketctl.tickets.queue_protocols import Delivery, OutboxMessage

Make = Callable[[int], Awaitable[list[int]]]
SETTINGS = Settings(visibility_timeout=1)

pytestmark = pytest.mark.usefixtures("aws_credentials")


@pytest.fixture(params=["standard", "fifo"])
def url(aws: str, request: pytest.FixtureRequest) -> str:
    """A standard and a FIFO queue with a maximum receive count of 2."""
    client = boto3.client("sqs", region_name="us-east-1", endpoint_url=aws)
    suffix, fifo = (".fifo", {"FifoQueue": "true"}) if request.param == "fifo" else ("", {})
    name = uuid4().hex
    dead = client.create_queue(QueueName=f"{name}-dead{suffix}", Attributes=fifo)["QueueUrl"]
    arn = client.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 2})
    made = client.create_queue(QueueName=f"{name}{suffix}", Attributes={**fifo, "RedrivePolicy": policy})
    return made["QueueUrl"]


@pytest.fixture
def sqs(url: str) -> SqsQueue:
    return SqsQueue(url, SETTINGS)


def unsent(ticket_id: int) -> OutboxMessage:
    return OutboxMessage(
        message_id=str(uuid4()), body=message_body(ticket_id), group=f"{ticket_id}@example.com"
    )


def ticket_ids(deliveries: list[Delivery]) -> list[int]:
    messages = parse_event({"Records": [delivery.record for delivery in deliveries]})
    return [message.ticket_id for message in messages if isinstance(message, TicketMessage)]


async def all_of(queue: SqsQueue) -> list[Delivery]:
    found: list[Delivery] = []
    while batch := await queue.receive(10, wait=0):
        found += batch
    return found


async def kill(queue: SqsQueue) -> None:
    """Receive everything until the redrive policy moves it to the dead letters."""
    deadline = time.monotonic() + 30
    while await queue.count_backlog() and time.monotonic() < deadline:
        await queue.receive(10, wait=1)


async def test_a_sent_message_is_received_and_deleted(sqs: SqsQueue) -> None:
    messages = [unsent(n) for n in range(1, 26)]
    assert await sqs.send(messages) == [message.message_id for message in messages]
    assert await sqs.count_backlog() == 25
    received = await all_of(sqs)
    assert sorted(ticket_ids(received)) == list(range(1, 26))
    await sqs.delete(received)
    assert await sqs.count_backlog() == 0


async def test_a_message_that_is_not_deleted_is_delivered_again_and_counted(sqs: SqsQueue) -> None:
    await sqs.send([unsent(1)])
    (first,) = await all_of(sqs)
    await sqs.release([first])
    deadline = time.monotonic() + 30
    while not (again := await sqs.receive(1, wait=1)):
        assert time.monotonic() < deadline
    assert (first.receive_count, again[0].receive_count) == (1, 2)


async def test_dead_letters_are_listed_in_place_then_redriven(
    sqs: SqsQueue, operations: PostgresOperations, make: Make, other: asyncpg.Connection
) -> None:
    (ticket_id,) = await make(1)
    await other.execute("update tickets set status = 'failed'")
    await sqs.send([unsent(ticket_id)])
    await kill(sqs)
    for _ in range(2):
        (letter,) = await sqs.list_dead_letters(10)
    assert letter.ticket_id == ticket_id
    assert await redrive(sqs, operations, [letter], by=BY) == (1, [])
    assert await sqs.list_dead_letters(10) == []
    assert ticket_ids(await all_of(sqs)) == [ticket_id]
    assert await other.fetchval("select status from tickets") == "new"


async def test_dead_letters_can_be_purged_one_by_one(sqs: SqsQueue) -> None:
    await sqs.send([unsent(1), unsent(2)])
    await kill(sqs)
    one, other = await sqs.list_dead_letters(10)
    assert await sqs.purge([one]) == 1
    assert [letter.message_id for letter in await sqs.list_dead_letters(10)] == [other.message_id]


@pytest.mark.parametrize("url", ["standard"], indirect=True)
@pytest.mark.parametrize("body", ["x" * 1024 * 1024, "nonsense", '{"ticket_id": "7"}'])
async def test_a_foreign_body_is_a_dead_letter_without_ticket(
    sqs: SqsQueue, operations: PostgresOperations, body: str
) -> None:
    await sqs.send([OutboxMessage(message_id="1", body=body, group=None)])
    await kill(sqs)
    (letter,) = await sqs.list_dead_letters(10)
    assert (letter.ticket_id, letter.body) == (None, body)
    assert letter.reason is not None
    assert await redrive(sqs, operations, [letter], by=BY) == (0, [letter])
    assert len(await sqs.list_dead_letters(10)) == 1


async def test_flush_empties_the_outbox(sqs: SqsQueue, outbox: PostgresOutbox, make: Make) -> None:
    ids = await make(25)
    assert await flush(outbox, sqs) == 25
    assert await outbox.count() == 0
    assert sorted(ticket_ids(await all_of(sqs))) == ids


async def test_flush_of_one_ticket_sends_only_its_message(
    sqs: SqsQueue, outbox: PostgresOutbox, make: Make
) -> None:
    _, ticket_id = await make(2)
    assert await flush(outbox, sqs, ticket_id=ticket_id) == 1
    assert ticket_ids(await all_of(sqs)) == [ticket_id]
    assert await outbox.count() == 1


@pytest.mark.parametrize("url", ["fifo"], indirect=True)
async def test_a_requester_is_one_fifo_group_and_duplicates_are_removed(
    sqs: SqsQueue, outbox: PostgresOutbox, store: PostgresStore
) -> None:
    for requester in ("ada@example.com", "ada@example.com", "bob@example.com"):
        await store.create(NewTicket(subject="x", requester=requester))
    again = await outbox.claim(10)
    await sqs.send(again)
    await outbox.release([message.message_id for message in again])
    await flush(outbox, sqs)
    received = await all_of(sqs)
    groups = [delivery.record["attributes"]["MessageGroupId"] for delivery in received]
    assert len(received) == 3
    assert len(set(groups)) == 2


async def test_messages_that_sqs_rejects_stay_in_the_outbox(
    url: str, outbox: PostgresOutbox, make: Make
) -> None:
    await make(3)
    gone = SqsQueue(url + "x", SETTINGS)
    with pytest.raises(QueueError):
        await flush(outbox, gone)
    assert await outbox.count() == 3
    assert len(await outbox.claim(10)) == 3


@pytest.mark.parametrize("url", ["standard"], indirect=True)
async def test_the_api_flushes_its_message_and_succeeds_without_a_queue(
    url: str, sqs: SqsQueue, outbox: PostgresOutbox, emptied_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    ids = []
    for queue_url in (url, url + "x"):
        async with open_client(Settings(database_url=emptied_url, queue_url=queue_url)) as client:
            answer = await client.post("/tickets", json={"subject": "My printer is on fire"})
        assert answer.status_code == 201
        ids.append(answer.json()["id"])
    sent, kept = ids
    assert ticket_ids(await all_of(sqs)) == [sent]
    assert [json.loads(message.body) for message in await outbox.claim(10)] == [{"ticket_id": kept}]
    (warning,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert "waits in the outbox" in warning.message


@pytest.mark.parametrize("url", ["standard"], indirect=True)
async def test_an_unknown_queue_is_a_queue_error(url: str) -> None:
    with pytest.raises(QueueError, match="NonExistentQueue") as caught:
        await SqsQueue(url + "-not", SETTINGS).count_backlog()
    assert caught.value.hint


async def test_an_unreachable_queue_is_a_queue_error() -> None:
    with pytest.raises(QueueError, match="cannot be reached"):
        await SqsQueue("http://127.0.0.1:9/123456789012/tickets", SETTINGS).count_backlog()


@pytest.mark.parametrize("url", ["nonsense", "http://[", "", "https://host/name", "ftp://host/1/name"])
def test_an_invalid_queue_url_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="TICKETCTL_QUEUE_URL"):
        SqsQueue(url, SETTINGS)


@pytest.mark.parametrize("url", ["standard"], indirect=True)
async def test_missing_credentials_are_reported(sqs: SqsQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(QueueError, match="no credentials"):
        await sqs.count_backlog()


async def test_refused_credentials_lose_nothing(outbox: PostgresOutbox, make: Make) -> None:
    await make(2)
    # from the second call on, this server checks credentials and accepts none
    with moto(INITIAL_NO_AUTH_ACTION_COUNT="1") as server:
        client = boto3.client("sqs", region_name="us-east-1", endpoint_url=server)
        queue = SqsQueue(client.create_queue(QueueName="closed")["QueueUrl"], SETTINGS)
        with pytest.raises(QueueError, match=r"(?s)refused: .*InvalidClientTokenId") as raised:
            await flush(outbox, queue)
    assert "credentials" in str(raised.value.hint)
    assert "testing" not in str(raised.value)
    assert await outbox.count() == 2


async def test_a_queue_without_a_dead_letter_queue_is_reported(aws: str) -> None:
    client = boto3.client("sqs", region_name="us-east-1", endpoint_url=aws)
    url = client.create_queue(QueueName=uuid4().hex)["QueueUrl"]
    with pytest.raises(QueueError, match="no dead-letter queue"):
        await SqsQueue(url, SETTINGS).list_dead_letters(1)


@pytest.mark.parametrize("url", ["standard"], indirect=True)
async def test_the_scheduled_handler_empties_the_outbox(
    url: str, emptied_url: str, outbox: PostgresOutbox, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make(3)
    monkeypatch.setenv("TICKETCTL_DATABASE_URL", emptied_url)
    monkeypatch.setenv("TICKETCTL_QUEUE_URL", url)
    assert await asyncio.to_thread(worker.flush_outbox, {}, None) == {"sent": 3}
    assert await outbox.count() == 0


async def test_work_flushes_the_outbox_and_drains_sqs(
    url: str, sqs: SqsQueue, emptied_url: str, make: Make, other: asyncpg.Connection
) -> None:
    await make(12)
    await sqs.send([OutboxMessage(message_id=str(uuid4()), body="nonsense", group="stranger")])
    variables = {
        "TICKETCTL_DATABASE_URL": emptied_url,
        "TICKETCTL_QUEUE_URL": url,
        "TICKETCTL_MAX_RECEIVE_COUNT": "2",
        "TICKETCTL_FUNCTION_TIMEOUT": "5",
        "TICKETCTL_VISIBILITY_TIMEOUT": "6",
    }
    work = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ticketctl", "work", "--drain"),
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = await work.communicate()
    assert work.returncode == 8, err.decode()
    assert out.decode().count("done\t") == 12
    assert "1 of 13 messages became dead letters" in err.decode()
    assert await other.fetchval("select count(*) from tickets where processed_at is not null") == 12
    assert await other.fetchval("select count(*) from messages") == 0
    assert [letter.body for letter in await sqs.list_dead_letters(10)] == ["nonsense"]


async def test_get_policy_returns_the_queues_attributes(sqs: SqsQueue) -> None:
    policy = await sqs.get_policy()
    assert (policy.visibility_timeout, policy.max_receive_count) == (30, 2)
