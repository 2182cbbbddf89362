"""SQS: the queue elsewhere. boto3 is synchronous, so each request runs in a thread.

Requests and limits: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/Welcome.html.
"""

import asyncio
import hashlib
import json
import math
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

from ticketctl import aws
from ticketctl.errors import ConfigError, QueueError
from ticketctl.settings import Settings
from ticketctl.tickets.messages import REGION, MalformedMessage, TicketMessage, parse_event
from ticketctl.tickets.protocols import DeadLetter, Delivery, OutboxMessage, QueuePolicy

REQUEST_LIMIT = 10
"""Messages of one request at most."""
_PEEK = 20
"""Seconds that a dead letter is hidden while all are looked through."""
_HOST = re.compile(r"(?:[a-z]+\.)?sqs(?:-fips)?\.([a-z0-9-]+)\.(?:amazonaws|api)\.")
_COUNTS = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)

Message = Mapping[str, Any]
Item = TypeVar("Item")


class SqsQueue:
    """A queue of SQS, standard or FIFO; see `ports.TicketQueue` and `ports.Sender` for what each call means.

    What is given back comes again when its visibility timeout ends; what dies is moved by the queue's own
    redrive policy.
    """

    def __init__(self, url: str, settings: Settings) -> None:
        self._url = _checked(url)
        self._hidden = math.ceil(settings.visibility_timeout)
        self._fifo = url.endswith(".fifo")
        self._client: Any = None

    async def receive(self, limit: int, *, wait: float) -> Sequence[Delivery]:
        """Receive up to ten messages."""
        messages = await self._receive(self._url, limit, hidden=self._hidden, wait=wait)
        return [self._delivery(message) for message in messages]

    async def delete(self, deliveries: Sequence[Delivery]) -> None:
        """Delete messages; a receipt that is no longer valid deletes nothing."""
        await self._delete(self._url, [delivery.receipt for delivery in deliveries])

    async def release(self, deliveries: Sequence[Delivery]) -> None:
        """Leave messages alone, as AWS does: they come again when their visibility timeout ends."""

    async def count_backlog(self) -> int:
        """About how many messages there are: SQS does not count exactly."""
        attributes = await self._attributes()
        return sum(int(attributes[name]) for name in _COUNTS)

    async def send(self, messages: Sequence[OutboxMessage]) -> Sequence[str]:
        """Send messages, ten in a request; FIFO queues keep the order of each group."""
        sent: list[str] = []
        for chunk in _chunks(messages):
            entries = [self._entry(number, message) for number, message in enumerate(chunk)]
            answer = await self._call("send_message_batch", QueueUrl=self._url, Entries=entries)
            sent += [chunk[int(entry["Id"])].message_id for entry in answer.get("Successful", ())]
        return sent

    async def list_dead_letters(self, limit: int) -> Sequence[DeadLetter]:
        """Look through the dead-letter queue and leave it as it was; of a FIFO group SQS shows the first ten."""
        url = await self._dead_letter_url()
        messages = await self._look_through(url, limit)
        await self._release(url, messages)
        return [_letter(message) for message in messages]

    async def redrive(self, letters: Sequence[DeadLetter]) -> int:
        """Send dead letters to the queue, then delete them where they were."""
        return await self._take_out(letters, self._send_again)

    async def purge(self, letters: Sequence[DeadLetter]) -> int:
        """Delete dead letters."""

        async def nothing(_: Message) -> None: ...

        return await self._take_out(letters, nothing)

    async def policy(self) -> QueuePolicy:
        """Ask the queue."""
        attributes = await self._attributes()
        redrive = json.loads(attributes.get("RedrivePolicy", "{}"))
        count = redrive.get("maxReceiveCount")
        return QueuePolicy(
            visibility_timeout=float(attributes["VisibilityTimeout"]),
            max_receive_count=None if count is None else int(count),
        )

    async def _take_out(
        self, letters: Sequence[DeadLetter], first: Callable[[Message], Awaitable[None]]
    ) -> int:
        """Delete these letters, each after `first` was done with it."""
        if not letters:
            return 0
        url, ids = await self._dead_letter_url(), {letter.message_id for letter in letters}
        messages = await self._look_through(url, None)
        chosen = [message for message in messages if message["MessageId"] in ids]
        for message in chosen:
            await first(message)
            await self._delete(url, [message["ReceiptHandle"]])
        await self._release(url, [message for message in messages if message["MessageId"] not in ids])
        return len(chosen)

    async def _send_again(self, message: Message) -> None:
        group = message["Attributes"].get("MessageGroupId")
        fifo = {"MessageGroupId": group, "MessageDeduplicationId": str(uuid4())} if group else {}
        await self._call("send_message", QueueUrl=self._url, MessageBody=message["Body"], **fifo)

    async def _look_through(self, url: str, limit: int | None) -> list[Message]:
        """Receive each message of a queue once, hidden meanwhile; the oldest first."""
        found: dict[str, Message] = {}
        while limit is None or len(found) < limit:
            wanted = REQUEST_LIMIT if limit is None else limit - len(found)
            messages = await self._receive(url, wanted, hidden=_PEEK, wait=0)
            if not messages:
                break
            found |= {message["MessageId"]: message for message in messages}
        return sorted(found.values(), key=lambda message: int(message["Attributes"]["SentTimestamp"]))

    async def _release(self, url: str, messages: Sequence[Message]) -> None:
        for chunk in _chunks(messages):
            entries = [
                {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 0}
                for number, message in enumerate(chunk)
            ]
            await self._call("change_message_visibility_batch", QueueUrl=url, Entries=entries)

    async def _receive(self, url: str, limit: int, *, hidden: int, wait: float) -> list[Message]:
        answer = await self._call(
            "receive_message",
            QueueUrl=url,
            MaxNumberOfMessages=min(limit, REQUEST_LIMIT),
            VisibilityTimeout=hidden,
            WaitTimeSeconds=int(wait),
            MessageSystemAttributeNames=["All"],
        )
        messages: list[Message] = answer.get("Messages", [])
        return messages

    async def _delete(self, url: str, receipts: Sequence[str]) -> None:
        for chunk in _chunks(receipts):
            entries = [{"Id": str(n), "ReceiptHandle": receipt} for n, receipt in enumerate(chunk)]
            answer = await self._call("delete_message_batch", QueueUrl=url, Entries=entries)
            refused = [failure for failure in answer.get("Failed", ()) if not failure["SenderFault"]]
            if refused:
                raise QueueError(f"the queue {url} did not delete: {refused[0].get('Message', refused[0])}")

    async def _dead_letter_url(self) -> str:
        policy = (await self._attributes()).get("RedrivePolicy")
        if policy is None:
            raise QueueError(
                f"the queue {self._url} has no dead-letter queue",
                hint="give it a redrive policy; without one SQS delivers a bad message until it expires",
            )
        *_, account, name = json.loads(policy)["deadLetterTargetArn"].split(":")
        answer = await self._call("get_queue_url", QueueName=name, QueueOwnerAWSAccountId=account)
        url: str = answer["QueueUrl"]
        return url

    async def _attributes(self) -> dict[str, str]:
        answer = await self._call("get_queue_attributes", QueueUrl=self._url, AttributeNames=["All"])
        attributes: dict[str, str] = answer["Attributes"]
        return attributes

    async def _call(self, name: str, **parameters: object) -> dict[str, Any]:
        return await asyncio.to_thread(self._request, name, parameters)

    def _request(self, name: str, parameters: Mapping[str, object]) -> dict[str, Any]:
        if self._client is None:
            self._client = _client(self._url)
        from botocore import exceptions

        try:
            answer: dict[str, Any] = getattr(self._client, name)(**parameters)
        except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError) as error:
            raise QueueError(
                f"no credentials for the queue {self._url}: {error}",
                hint="set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            ) from error
        except exceptions.ClientError as error:
            told = error.response.get("Error", {})
            raise QueueError(
                f"the queue {self._url} refused: {told.get('Code')}: {told.get('Message')}",
                hint="is TICKETCTL_QUEUE_URL right, and may these credentials use the queue?",
            ) from error
        except exceptions.BotoCoreError as error:
            raise QueueError(
                f"the queue {self._url} cannot be reached: {error}", hint="is TICKETCTL_QUEUE_URL right?"
            ) from error
        return answer

    def _entry(self, number: int, message: OutboxMessage) -> dict[str, str]:
        entry = {"Id": str(number), "MessageBody": message.body}
        if not self._fifo:
            return entry
        # a digest, because a group's name may not have every character of an address
        group = hashlib.sha256((message.group or message.message_id).encode()).hexdigest()
        return entry | {"MessageGroupId": group, "MessageDeduplicationId": message.message_id}

    def _delivery(self, message: Message) -> Delivery:
        attributes = message["Attributes"]
        return Delivery(
            message_id=message["MessageId"],
            receipt=message["ReceiptHandle"],
            receive_count=int(attributes["ApproximateReceiveCount"]),
            record=_record(message, self._url),
        )


def _checked(url: str) -> str:
    """The URL of a queue: `https://host/account/name`. Raises ConfigError."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"https", "http"} and bool(parts.hostname) and parts.path.count("/") > 1
    except ValueError:
        good = False
    if not good:
        raise ConfigError(
            "TICKETCTL_QUEUE_URL is no queue's URL",
            hint="it looks like https://sqs.eu-central-1.amazonaws.com/123456789012/tickets",
        )
    return url


def _client(url: str) -> Any:
    """A client for the queue's host and region; anything but AWS is taken at its word (a local stand-in)."""
    session = aws.session("TICKETCTL_QUEUE_URL")
    from botocore.config import Config

    parts = urlsplit(url)
    host = _HOST.match(parts.hostname or "")
    return session.client(
        "sqs",
        region_name=host[1] if host else session.region_name or REGION,
        endpoint_url=None if host else f"{parts.scheme}://{parts.netloc}",
        config=Config(connect_timeout=5, read_timeout=30, retries={"mode": "standard", "max_attempts": 2}),
    )


def _record(message: Message, url: str) -> dict[str, Any]:
    *_, account, name = urlsplit(url).path.split("/")
    region = _HOST.match(urlsplit(url).hostname or "")
    region_name = region[1] if region else REGION
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{region_name}:{account}:{name}",
        "awsRegion": region_name,
    }


def _letter(message: Message) -> DeadLetter:
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


def _chunks(items: Sequence[Item]) -> list[Sequence[Item]]:
    return [items[start : start + REQUEST_LIMIT] for start in range(0, len(items), REQUEST_LIMIT)]
