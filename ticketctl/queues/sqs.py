"""Amazon SQS as the queue.

Requests and limits: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/Welcome.html.
"""

import hashlib
import json
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

from ticketctl.errors import QueueError
from ticketctl.queues.sqs_client import SqsClient, get_region
from ticketctl.settings import Settings
from ticketctl.telemetry.attributes import SEND_MESSAGES
from ticketctl.telemetry.protocols import OFF, Telemetry
from ticketctl.tickets.messages import REGION, MalformedMessage, TicketMessage, parse_event
from ticketctl.tickets.queue_protocols import DeadLetter, Delivery, OutboxMessage, QueuePolicy
from ticketctl.tickets.record_attributes import TRACEPARENT, build_trace_attributes

REQUEST_LIMIT = 10
"""The largest number of messages in one request."""
_LISTING_TIMEOUT = 20
"""Seconds for which a dead letter is hidden while all of them are listed."""
_COUNT_ATTRIBUTES = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)

Message = Mapping[str, Any]
Item = TypeVar("Item")


class SqsQueue:
    """An SQS queue, standard or FIFO; implements `TicketQueue` and `Sender` of `tickets.queue_protocols`.

    A released message is visible again when its visibility timeout ends. SQS moves spent messages to the dead-letter
    queue by the queue's redrive policy.
    """

    def __init__(self, url: str, settings: Settings, telemetry: Telemetry = OFF) -> None:
        self._telemetry = telemetry
        self._client = SqsClient(url)
        self._url = url
        self._hidden = math.ceil(settings.visibility_timeout)
        self._max_receive_count = settings.max_receive_count
        self._fifo = url.endswith(".fifo")

    async def receive(self, limit: int, *, wait: float) -> Sequence[Delivery]:
        """Receive up to ten messages."""
        messages = await self._receive(self._url, limit, hidden=self._hidden, wait=wait)
        return [self._to_delivery(message) for message in messages]

    async def delete(self, deliveries: Sequence[Delivery]) -> None:
        """Delete messages; a receipt that is no longer valid deletes nothing."""
        await self._delete(self._url, [delivery.receipt for delivery in deliveries])

    async def release(self, deliveries: Sequence[Delivery]) -> Sequence[str]:
        """Do nothing, as AWS does: messages are visible again when their visibility timeout ends.

        SQS counts every receive and offers no way to take one back. It moves a message to the dead letters by the
        queue's own redrive policy; the return value assumes that the settings state the same maximum.
        """
        maximum = self._max_receive_count
        return [delivery.message_id for delivery in deliveries if delivery.receive_count >= maximum]

    async def extend(self, deliveries: Sequence[Delivery]) -> None:
        """Hide messages for another visibility timeout; SQS refuses it for receipts that are no longer valid."""
        for chunk in _split_into_requests(deliveries):
            entries = [
                {"Id": str(number), "ReceiptHandle": delivery.receipt, "VisibilityTimeout": self._hidden}
                for number, delivery in enumerate(chunk)
            ]
            await self._client.call("change_message_visibility_batch", QueueUrl=self._url, Entries=entries)

    async def count_backlog(self) -> int:
        """Return approximately how many messages there are: SQS does not count exactly."""
        attributes = await self._attributes()
        return sum(int(attributes[name]) for name in _COUNT_ATTRIBUTES)

    async def send(self, messages: Sequence[OutboxMessage]) -> Sequence[str]:
        """Send messages, ten per request; return the ids of those that SQS accepted."""
        sent: list[str] = []
        for chunk in _split_into_requests(messages):
            entries = [self._to_entry(number, message) for number, message in enumerate(chunk)]
            links = {message.traceparent for message in chunk if message.traceparent is not None}
            attributes = {**SEND_MESSAGES, "messaging.batch.message_count": len(chunk)}
            with self._telemetry.span("send tickets", "client", attributes, links=links):
                answer = await self._client.call("send_message_batch", QueueUrl=self._url, Entries=entries)
            sent += [chunk[int(entry["Id"])].message_id for entry in answer.get("Successful", ())]
        return sent

    async def list_dead_letters(self, limit: int) -> Sequence[DeadLetter]:
        """List the dead-letter queue and make its messages visible again; of a FIFO group SQS shows the first ten."""
        url = await self._dead_letter_url()
        messages = await self._receive_all(url, limit)
        await self._unhide(url, messages)
        return [_to_dead_letter(message) for message in messages]

    async def redrive(self, letters: Sequence[DeadLetter]) -> int:
        """Send dead letters to the queue, then delete them from the dead-letter queue."""
        return await self._remove_dead_letters(letters, self._send_again)

    async def purge(self, letters: Sequence[DeadLetter]) -> int:
        """Delete dead letters."""

        async def skip(_: Message) -> None: ...

        return await self._remove_dead_letters(letters, skip)

    async def get_policy(self) -> QueuePolicy:
        """Return the queue's own attributes."""
        attributes = await self._attributes()
        redrive = json.loads(attributes.get("RedrivePolicy", "{}"))
        count = redrive.get("maxReceiveCount")
        return QueuePolicy(
            visibility_timeout=float(attributes["VisibilityTimeout"]),
            max_receive_count=None if count is None else int(count),
        )

    async def _remove_dead_letters(
        self, letters: Sequence[DeadLetter], before: Callable[[Message], Awaitable[None]]
    ) -> int:
        """Delete these dead letters after awaiting `before` for each; return how many were found."""
        if not letters:
            return 0
        url, ids = await self._dead_letter_url(), {letter.message_id for letter in letters}
        messages = await self._receive_all(url, None)
        matching = [message for message in messages if message["MessageId"] in ids]
        for message in matching:
            await before(message)
            await self._delete(url, [message["ReceiptHandle"]])
        await self._unhide(url, [message for message in messages if message["MessageId"] not in ids])
        return len(matching)

    async def _send_again(self, message: Message) -> None:
        group = message["Attributes"].get("MessageGroupId")
        fifo = {"MessageGroupId": group, "MessageDeduplicationId": str(uuid4())} if group else {}
        traced = _to_trace(_read_traceparent(message))
        await self._client.call(
            "send_message", QueueUrl=self._url, MessageBody=message["Body"], **traced, **fifo
        )

    async def _receive_all(self, url: str, limit: int | None) -> list[Message]:
        """Receive each message of a queue once, which hides it; return them with the oldest first."""
        received: dict[str, Message] = {}
        while limit is None or len(received) < limit:
            wanted = REQUEST_LIMIT if limit is None else limit - len(received)
            messages = await self._receive(url, wanted, hidden=_LISTING_TIMEOUT, wait=0)
            if not messages:
                break
            received |= {message["MessageId"]: message for message in messages}
        return sorted(received.values(), key=lambda message: int(message["Attributes"]["SentTimestamp"]))

    async def _unhide(self, url: str, messages: Sequence[Message]) -> None:
        for chunk in _split_into_requests(messages):
            entries = [
                {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 0}
                for number, message in enumerate(chunk)
            ]
            await self._client.call("change_message_visibility_batch", QueueUrl=url, Entries=entries)

    async def _receive(self, url: str, limit: int, *, hidden: int, wait: float) -> list[Message]:
        answer = await self._client.call(
            "receive_message",
            QueueUrl=url,
            MaxNumberOfMessages=min(limit, REQUEST_LIMIT),
            VisibilityTimeout=hidden,
            WaitTimeSeconds=int(wait),
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=[TRACEPARENT],
        )
        messages: list[Message] = answer.get("Messages", [])
        return messages

    async def _delete(self, url: str, receipts: Sequence[str]) -> None:
        for chunk in _split_into_requests(receipts):
            entries = [{"Id": str(n), "ReceiptHandle": receipt} for n, receipt in enumerate(chunk)]
            answer = await self._client.call("delete_message_batch", QueueUrl=url, Entries=entries)
            failures = [failure for failure in answer.get("Failed", ()) if not failure["SenderFault"]]
            if failures:
                raise QueueError(f"the queue {url} did not delete: {failures[0].get('Message', failures[0])}")

    async def _dead_letter_url(self) -> str:
        policy = (await self._attributes()).get("RedrivePolicy")
        if policy is None:
            raise QueueError(
                f"the queue {self._url} has no dead-letter queue",
                hint="give it a redrive policy; without one SQS delivers a bad message until it expires",
            )
        *_, account, name = json.loads(policy)["deadLetterTargetArn"].split(":")
        answer = await self._client.call("get_queue_url", QueueName=name, QueueOwnerAWSAccountId=account)
        url: str = answer["QueueUrl"]
        return url

    async def _attributes(self) -> dict[str, str]:
        answer = await self._client.call("get_queue_attributes", QueueUrl=self._url, AttributeNames=["All"])
        attributes: dict[str, str] = answer["Attributes"]
        return attributes

    def _to_entry(self, number: int, message: OutboxMessage) -> dict[str, Any]:
        entry = {"Id": str(number), "MessageBody": message.body, **_to_trace(message.traceparent)}
        if not self._fifo:
            return entry
        # a digest, because a group id allows fewer characters than an e-mail address
        group = hashlib.sha256((message.group or message.message_id).encode()).hexdigest()
        return entry | {"MessageGroupId": group, "MessageDeduplicationId": message.message_id}

    def _to_delivery(self, message: Message) -> Delivery:
        attributes = message["Attributes"]
        return Delivery(
            message_id=message["MessageId"],
            receipt=message["ReceiptHandle"],
            receive_count=int(attributes["ApproximateReceiveCount"]),
            record=_to_record(message, self._url),
        )


def _to_trace(traceparent: str | None) -> dict[str, Any]:
    """Return the parameter of a send that adds the trace to a message."""
    if traceparent is None:
        return {}
    return {"MessageAttributes": {TRACEPARENT: {"DataType": "String", "StringValue": traceparent}}}


def _read_traceparent(message: Message) -> str | None:
    traceparent: str | None = message.get("MessageAttributes", {}).get(TRACEPARENT, {}).get("StringValue")
    return traceparent


def _to_record(message: Message, url: str) -> dict[str, Any]:
    *_, account, name = urlsplit(url).path.split("/")
    region_name = get_region(url) or REGION
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": build_trace_attributes(_read_traceparent(message)),
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{region_name}:{account}:{name}",
        "awsRegion": region_name,
    }


def _to_dead_letter(message: Message) -> DeadLetter:
    record = {"messageId": message["MessageId"], "body": message["Body"]}
    (parsed,) = parse_event({"Records": [record]})
    return DeadLetter(
        message_id=message["MessageId"],
        ticket_id=parsed.ticket_id if isinstance(parsed, TicketMessage) else None,
        body=message["Body"],
        receive_count=int(message["Attributes"]["ApproximateReceiveCount"]),
        enqueued_at=datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, UTC),
        reason=parsed.reason if isinstance(parsed, MalformedMessage) else None,
    )


def _split_into_requests(items: Sequence[Item]) -> list[Sequence[Item]]:
    return [items[start : start + REQUEST_LIMIT] for start in range(0, len(items), REQUEST_LIMIT)]
