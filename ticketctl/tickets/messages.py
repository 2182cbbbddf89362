"""The SQS wire format: from an event to ticket messages, from outcomes to the batch response, and back.

The shapes are AWS's own: https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html and, for the response,
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
"""What an event that was made here names as its source; AWS's documentation uses this account."""

_EVENT_HINT = "an SQS event is made by: ticketctl event --status new"


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketMessage:
    """A well-formed record. `group` is the FIFO message group, None on a standard queue."""

    message_id: str
    ticket_id: int
    group: str | None = None
    receive_count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MalformedMessage:
    """A record that cannot be used, and why. Without a `message_id` it cannot even be returned."""

    message_id: str | None
    reason: str
    group: str | None = None


Message: TypeAlias = TicketMessage | MalformedMessage


class _Body(msgspec.Struct, frozen=True):
    ticket_id: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]


_body_decoder = msgspec.json.Decoder(_Body)


def message_body(ticket_id: int) -> str:
    """The body of a ticket's message."""
    return msgspec.json.encode(_Body(ticket_id)).decode()


def parse_event(event: object) -> list[Message]:
    """Read an SQS event, record by record: a malformed one is its own failure, not its neighbours'.

    Raises:
        InvalidInputError: It is no SQS event at all.
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
        return MalformedMessage(message_id=message_id, reason="its names are not valid text", group=group)
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
    """JSON can escape half of a surrogate pair, which no UTF-8 can hold: no log, no database."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _receive_count(value: object) -> int:
    """SQS sends the count as text; what is no count counts as the first delivery."""
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 1  # noqa: PLR2004 - a 32-bit count


def batch_response(failed: Iterable[str]) -> dict[str, Any]:
    """The partial batch response that returns the messages in `failed`, each once."""
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in dict.fromkeys(failed)]}


def build_event(messages: Sequence[TicketMessage], *, sent_at: datetime) -> dict[str, Any]:
    """An event with these messages, as AWS sends it to a Lambda function."""
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
    """One record of an event; its receipt handle stands for this delivery alone."""
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
    """Which of a batch's messages come again, as a handler's answer tells an event source mapping.

    AWS's rules: no answer, an empty one, or an empty or null list of failures is success for all.

    Raises:
        InvalidInputError: An identifier is missing, empty or unknown, or the answer has another form: AWS
            then takes the whole batch as failed.
    """
    if response is None or response in ({}, ""):
        return frozenset()
    if not isinstance(response, dict):
        raise InvalidInputError(f"the handler answered with a {type(response).__name__}, not an object")
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
