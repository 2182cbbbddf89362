"""SQS with faults: half of the calls fail, and processes die between commit, send, receive, invoke and delete."""

import random
from typing import Any
from uuid import uuid4

import boto3
import pytest

pytestmark = [pytest.mark.chaos, pytest.mark.usefixtures("aws_credentials")]
TICKETS = 20
KILLS = {"before-flush": [1], "after-receive": [2], "before-claim": [2], "before-delete": [2]}
"""After the commit and before the send, between receive and invoke, in the invocation, and before the delete."""


def test_kills_and_failing_calls_lose_no_message_of_sqs(run: Any, chance: random.Random, aws: str) -> None:
    client = boto3.client("sqs", region_name="us-east-1", endpoint_url=aws)
    url = client.create_queue(QueueName=uuid4().hex)["QueueUrl"]
    run.plan(seed=chance.randrange(1000), refusals=0.5, kill=KILLS)
    run.make(TICKETS)
    run.drain(QUEUE_URL=url)
    figures = run.check(tickets=TICKETS)
    assert figures.kills == sum(map(len, KILLS.values()))
    assert any(line["what"] == "refused" for line in run.journal)
