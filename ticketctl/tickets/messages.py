"""The SQS wire format: parse and build events, batch responses and records.

The formats are AWS's: https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html and, for the response,
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html.
"""

import hashlib
from base64 import b64encode
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, TypeAlias

import msgspec

from ticketctl.errors import InvalidInputError

REGION = "us-east-1"
QUEUE_ARN = f"arn:aws:sqs:{REGION}:123456789012:tickets"
"""The source of events that this package builds; AWS's documentation uses this account."""

_EVENT_HINT = "ticketctl event --status new prints an SQS event"


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketMessage:
    """A well-formed record. `group` is the FIFO message group, None on a standard queue."""

    message_id: str
    ticket_id: int
    group: str | None = None
    receive_count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MalformedMessage:
    """An unusable record with the reason. Without a `message_id` it cannot be returned to the queue."""

    message_id: str | None
    reason: str
    group: str | None = None


Message: TypeAlias = TicketMessage | MalformedMessage


class _Body(msgspec.Struct, frozen=True):
    ticket_id: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]


_body_decoder = msgspec.json.Decoder(_Body)


def message_body(ticket_id: int) -> str:
    """Return the body of a ticket's message."""
    return msgspec.json.encode(_Body(ticket_id)).decode()


def parse_event(event: object) -> list[Message]:
    """Parse the records of an SQS event. A malformed record does not affect the others.

    Raises:
        InvalidInputError: The event is not an SQS event.
    """
    if not isinstance(event, dict) or not isinstance(event.get("Records"), list):
        raise InvalidInputError("this is not an SQS event: it has no list of Records", hint=_EVENT_HINT)
    return [_parse_record(record) for record in event["Records"]]


def _parse_record(record: object) -> Message:
    if not isinstance(record, dict):
        return MalformedMessage(message_id=None, reason="the record is not an object")
    message_id = record.get("messageId")
    if not isinstance(message_id, str) or not message_id:
        return MalformedMessage(message_id=None, reason="the record has no messageId")
    attributes = record.get("attributes")
    attributes = attributes if isinstance(attributes, dict) else {}
    group = attributes.get("MessageGroupId")
    group = group if isinstance(group, str) and group else None
    body = record.get("body")
    if not (_is_text(message_id) and _is_text(group or "")):
        return MalformedMessage(
            message_id=message_id, reason="the messageId or the group is not valid Unicode", group=group
        )
    if not isinstance(body, str):
        return MalformedMessage(message_id=message_id, reason="the record has no body", group=group)
    try:
        ticket_id = _body_decoder.decode(body).ticket_id
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        reason = f"the body is not a ticket message: {error}"
        return MalformedMessage(message_id=message_id, reason=reason, group=group)
    return TicketMessage(
        message_id=message_id,
        ticket_id=ticket_id,
        group=group,
        receive_count=_receive_count(attributes.get("ApproximateReceiveCount")),
    )


def _is_text(value: str) -> bool:
    """Return whether UTF-8 can encode the text: JSON can contain half of a surrogate pair, logs and databases cannot."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _receive_count(value: object) -> int:
    """Return the receive count, which SQS sends as text; 1 if it is not a number."""
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 1  # noqa: PLR2004 - a 32-bit count


def batch_response(failed: Iterable[str]) -> dict[str, Any]:
    """Return the partial batch response that returns the messages in `failed`, each once."""
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in dict.fromkeys(failed)]}


def build_event(messages: Sequence[TicketMessage], *, sent_at: datetime) -> dict[str, Any]:
    """Build the event that AWS sends to a Lambda function for these messages."""
    return {
        "Records": [
            build_record(
                message_body(message.ticket_id),
                message_id=message.message_id,
                receive_count=message.receive_count,
                sent_at=sent_at,
                group=message.group,
            )
            for message in messages
        ]
    }


def build_record(
    body: str, *, message_id: str, receive_count: int, sent_at: datetime, group: str | None = None
) -> dict[str, Any]:
    """Build one record of an event. Its receipt handle identifies this delivery."""
    sent = str(int(sent_at.timestamp() * 1000))
    attributes = {
        "ApproximateReceiveCount": str(receive_count),
        "SentTimestamp": sent,
        "SenderId": "AIDAEXAMPLE",
        "ApproximateFirstReceiveTimestamp": sent,
    }
    if group is not None:
        attributes["MessageGroupId"] = group
    return {
        "messageId": message_id,
        "receiptHandle": b64encode(f"{message_id}#{receive_count}".encode()).decode(),
        "body": body,
        "attributes": attributes,
        "messageAttributes": {},
        "md5OfBody": hashlib.md5(body.encode(), usedforsecurity=False).hexdigest(),
        "eventSource": "aws:sqs",
        "eventSourceARN": QUEUE_ARN,
        "awsRegion": REGION,
    }


def read_batch_response(response: object, message_ids: Collection[str]) -> frozenset[str]:
    """Return the ids of the messages that a handler's response returns to the queue.

    By AWS's rules a null or empty response, and a null or empty list of failures, mean success for all messages.

    Raises:
        InvalidInputError: An identifier is missing, empty or unknown, or the response has another form. AWS then
            treats the whole batch as failed.
    """
    if response is None or response in ({}, ""):
        return frozenset()
    if not isinstance(response, dict):
        raise InvalidInputError(f"the handler returned a {type(response).__name__}, not an object")
    failures = response.get("batchItemFailures")
    if failures is None:
        return frozenset()
    if not isinstance(failures, list):
        raise InvalidInputError("batchItemFailures is not a list")
    return frozenset(_identifier(failure, message_ids) for failure in failures)


def _identifier(failure: object, message_ids: Collection[str]) -> str:
    identifier = failure.get("itemIdentifier") if isinstance(failure, dict) else None
    if not isinstance(identifier, str) or not identifier:
        raise InvalidInputError("a batch item failure has no itemIdentifier")
    if identifier not in message_ids:
        raise InvalidInputError(f"a batch item failure names {identifier}, which was not in the batch")
    return identifier
