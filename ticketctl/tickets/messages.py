"""The SQS wire format: parse and build events, batch responses and records.

The formats are AWS's: https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html and, for the response,
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html.
"""

import hashlib
from base64 import b64encode
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from ticketctl.errors import InvalidInputError
from ticketctl.tickets.record_attributes import (
    build_attributes,
    build_trace_attributes,
    parse_receive_count,
    parse_sent_at,
    parse_traceparent,
)

REGION = "us-east-1"
QUEUE_ARN = f"arn:aws:sqs:{REGION}:123456789012:tickets"
"""The source of events that this package builds; AWS's documentation uses this account."""

_EVENT_HINT = (
    "the event source mapping must name an SQS queue; ticketctl event --status new prints an SQS event"
)
_BODY_MEANING = 'a JSON object such as {"ticket_id": 7}'
_EVENT_NAMES = {
    "aws:kinesis": "a Kinesis event",
    "aws:dynamodb": "a DynamoDB stream event",
    "aws:sns": "an SNS event",
    "aws:s3": "an S3 event",
    "aws:ses": "an SES event",
    "aws:kafka": "an MSK event",
    "SelfManagedKafka": "a Kafka event",
    "aws:mq": "an Amazon MQ event",
    "aws:rmq": "an Amazon MQ event",
    "aws:docdb": "a DocumentDB event",
    "aws:codecommit": "a CodeCommit event",
}
"""What AWS's event sources send to Lambda functions, by `eventSource`."""
_EVENT_KEYS = {
    "Messages": "a response of SQS ReceiveMessage",
    "detail-type": "an EventBridge event",
    "awslogs": "a CloudWatch Logs event",
    "requestContext": "an HTTP request",
    "httpMethod": "an HTTP request",
}
"""Events without an `eventSource`, by a key that they have."""
_JSON_NAMES = {type(None): "null", bool: "a boolean", str: "a text", list: "a list"}
_MAX_ENVELOPES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketMessage:
    """A well-formed record. `group` is None on a standard queue; `sent_at` is in seconds since 1970, if known."""

    message_id: str
    ticket_id: int
    group: str | None = None
    receive_count: int = 1
    traceparent: str | None = None
    sent_at: float | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MalformedMessage:
    """A record that names no ticket, with the reason."""

    message_id: str
    reason: str
    group: str | None = None


Message: TypeAlias = TicketMessage | MalformedMessage


class _Body(msgspec.Struct, frozen=True):
    ticket_id: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]


class _Notification(msgspec.Struct, frozen=True, rename="pascal"):
    """An SNS notification, delivered to SQS without raw message delivery.

    https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
    """

    type: Literal["Notification"]
    message: str


class _EventBridgeEvent(msgspec.Struct, frozen=True, rename={"detail_type": "detail-type"}):
    """An EventBridge event.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html
    """

    detail_type: str
    detail: msgspec.Raw


_body_decoder = msgspec.json.Decoder(_Body)
_notification_decoder = msgspec.json.Decoder(_Notification)
_eventbridge_decoder = msgspec.json.Decoder(_EventBridgeEvent)
_UNDECODABLE = (msgspec.DecodeError, UnicodeEncodeError, RecursionError)


def message_body(ticket_id: int) -> str:
    """Return the body of a ticket's message."""
    return msgspec.json.encode(_Body(ticket_id)).decode()


def parse_event(event: object) -> list[Message]:
    """Parse the records of an SQS event. A record that names no ticket does not affect the others.

    Raises:
        InvalidInputError: The event is not an SQS event, or a record has no messageId: a partial batch response
            could not return it. Lambda must not take such an event as processed.
    """
    records = event.get("Records") if isinstance(event, dict) else None
    foreign = _name_event(event)
    if foreign is not None or not isinstance(records, list):
        raise InvalidInputError(
            f"this is {foreign or 'an event without a list of Records'}, not an SQS event", hint=_EVENT_HINT
        )
    return [_parse_record(record, number) for number, record in enumerate(records, 1)]


def _name_event(event: object) -> str | None:
    """Return what an event from elsewhere is, None for an SQS event or one that is unknown."""
    if not isinstance(event, dict):
        return _JSON_NAMES.get(type(event), "a number")
    records = event.get("Records")
    for source in (event, *(records if isinstance(records, list) else ())):
        for key in ("eventSource", "EventSource"):  # SNS capitalizes the key
            name = source.get(key) if isinstance(source, dict) else None
            if isinstance(name, str) and name not in {"", "aws:sqs"}:
                return _EVENT_NAMES.get(name, f"an event of {name!r:.80}")
    if isinstance(records, list):
        return None
    return next((meaning for key, meaning in _EVENT_KEYS.items() if key in event), None)


def _parse_record(record: object, number: int) -> Message:
    message_id = record.get("messageId") if isinstance(record, dict) else None
    if not isinstance(record, dict) or not isinstance(message_id, str) or not message_id:
        raise InvalidInputError(
            f"record {number} has no messageId: this is not an SQS event", hint=_EVENT_HINT
        )
    attributes = record.get("attributes")
    attributes = attributes if isinstance(attributes, dict) else {}
    group = attributes.get("MessageGroupId")
    group = group if isinstance(group, str) and group else None
    if not (_is_text(message_id) and _is_text(group or "")):
        reason = "the messageId or the group is not valid Unicode"
        return MalformedMessage(message_id=message_id, reason=reason, group=group)
    ticket_id = _parse_body(record.get("body"))
    if isinstance(ticket_id, str):
        return MalformedMessage(message_id=message_id, reason=ticket_id, group=group)
    return TicketMessage(
        message_id=message_id,
        ticket_id=ticket_id,
        group=group,
        receive_count=parse_receive_count(attributes.get("ApproximateReceiveCount")),
        traceparent=parse_traceparent(record.get("messageAttributes")),
        sent_at=parse_sent_at(attributes.get("SentTimestamp")),
    )


def _parse_body(body: object) -> int | str:
    """Return the ticket that a body names, or why it names none; SNS and EventBridge may have wrapped the body."""
    if not isinstance(body, str):
        return "the record has no body"
    content: str | None = body
    for _ in range(_MAX_ENVELOPES):
        if content is None:
            break
        try:
            return _body_decoder.decode(content).ticket_id
        except _UNDECODABLE:
            content = _unwrap(content)
    return f"the body is {_name_body(body)}not a ticket message: it must be {_BODY_MEANING}"


def _unwrap(body: str) -> str | None:
    """Return the body inside an envelope of SNS or EventBridge, None if there is no envelope."""
    try:
        return _notification_decoder.decode(body).message
    except _UNDECODABLE:
        pass
    try:
        return bytes(_eventbridge_decoder.decode(body).detail).decode()
    except _UNDECODABLE:
        return None


def _name_body(body: str) -> str:
    """Return what a body from elsewhere is, followed by a comma; empty if it is unknown."""
    content = _decode_object(body)
    if content.get("Type") in ("SubscriptionConfirmation", "UnsubscribeConfirmation"):
        return "an SNS subscription confirmation, "
    if content.get("Event") == "s3:TestEvent":
        return "an S3 test notification, "
    name = _name_event(content) if content else None
    return "" if name is None else f"{name}, "


def _decode_object(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except _UNDECODABLE:
        return {}


def _is_text(value: str) -> bool:
    """Return whether UTF-8 can encode the text: JSON can contain half of a surrogate pair, logs and databases cannot."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


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
    body: str,
    *,
    message_id: str,
    receive_count: int,
    sent_at: datetime,
    group: str | None = None,
    traceparent: str | None = None,
) -> dict[str, Any]:
    """Build one record of an event. Its receipt handle identifies this delivery."""
    return {
        "messageId": message_id,
        "receiptHandle": b64encode(f"{message_id}#{receive_count}".encode()).decode(),
        "body": body,
        "attributes": build_attributes(receive_count, sent_at, group),
        "messageAttributes": build_trace_attributes(traceparent),
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
