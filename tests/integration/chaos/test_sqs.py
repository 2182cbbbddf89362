"""SQS with faults: failing calls, kills between commit, send, receive, invoke and delete, and a queue that is deleted."""

import random
import signal
from typing import Any
from uuid import uuid4

import boto3
import pytest

pytestmark = [pytest.mark.chaos, pytest.mark.usefixtures("aws_credentials")]
TICKETS = 20
KILLS = {"before-flush": [1], "after-receive": [2], "before-claim": [2], "before-delete": [2]}
"""After the commit and before the send, between receive and invoke, in the invocation, and before the delete."""


@pytest.fixture
def client(aws: str) -> Any:
    return boto3.client("sqs", region_name="us-east-1", endpoint_url=aws)


def test_kills_and_failing_calls_lose_no_message_of_sqs(run: Any, chance: random.Random, client: Any) -> None:
    url = client.create_queue(QueueName=uuid4().hex)["QueueUrl"]
    run.plan(seed=chance.randrange(1000), refusals=0.5, kill=KILLS)
    run.make(TICKETS)
    run.drain(QUEUE_URL=url)
    figures = run.check(tickets=TICKETS)
    assert figures.kills == sum(map(len, KILLS.values()))
    assert any(line["what"] == "refused" for line in run.journal)


def test_messages_sent_twice_because_of_a_kill_are_processed_once(
    run: Any, chance: random.Random, client: Any
) -> None:
    """The sender is killed after SQS accepted ten messages, before it deletes them from the outbox."""
    url = client.create_queue(QueueName=uuid4().hex)["QueueUrl"]
    run.plan(seed=chance.randrange(1000), kill={"after-send": [1]})
    run.make(TICKETS)
    assert run.start(QUEUE_URL=url).wait(120) == -signal.SIGKILL
    assert run.ask("select count(*) from messages") == str(TICKETS)
    run.ask("update messages set visible_at = now()")  # as if the time of the killed sender were over
    run.drain(QUEUE_URL=url)
    assert run.check(tickets=TICKETS).kills == 1
    assert sum(line["messages"] for line in run.journal if line["what"] == "sent") == TICKETS + 10


def test_work_goes_on_after_its_queue_was_deleted_and_made_again(run: Any, client: Any) -> None:
    name = uuid4().hex
    url = client.create_queue(QueueName=name)["QueueUrl"]
    run.make(4)
    work = run.operate("work", QUEUE_URL=url)
    run.wait_until("count(*) = 4 from tickets where processed_at is not null")
    client.delete_queue(QueueUrl=url)
    run.wait_for_stderr("NonExistentQueue")
    # one ticket waits in the outbox, and the message of another one was in the queue
    run.make(1)
    run.ask("insert into tickets (subject) values ('Its message is gone')")
    assert client.create_queue(QueueName=name)["QueueUrl"] == url
    assert run.operate("retry", "--stuck", "--older-than", "0s", QUEUE_URL=url).wait(60) == 0
    run.wait_until("count(*) = 6 from tickets where processed_at is not null")
    work.send_signal(signal.SIGTERM)
    assert work.wait(120) == 0
    run.check_settled(tickets=6)
