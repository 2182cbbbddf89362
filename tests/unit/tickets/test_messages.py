import json
from base64 import b64decode
from hashlib import md5
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import NOON
from ticketctl.errors import InvalidInputError
from ticketctl.tickets.messages import (
    MalformedMessage,
    TicketMessage,
    batch_response,
    build_event,
    message_body,
    parse_event,
)

LARGEST_ID = 2**63 - 1

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters())
anything = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)
bodies = st.one_of(
    anything,
    (st.integers(1, 4) | st.integers()).map(lambda number: json.dumps({"ticket_id": number})),
    anything.map(json.dumps),
)
records = anything | st.fixed_dictionaries(
    {"messageId": st.text() | anything},
    optional={
        "body": bodies,
        "attributes": anything
        | st.fixed_dictionaries(
            {}, optional={"MessageGroupId": st.text(), "ApproximateReceiveCount": st.text()}
        ),
    },
)
events = anything | st.fixed_dictionaries({"Records": anything | st.lists(records, max_size=5)})


def record(**changes: Any) -> dict[str, Any]:
    return {"messageId": "m-1", "body": '{"ticket_id": 7}', "attributes": {}} | changes


def parse_one(record: object) -> TicketMessage | MalformedMessage:
    [message] = parse_event({"Records": [record]})
    return message


@given(events)
def test_every_record_of_any_event_has_a_message(event: Any) -> None:
    try:
        messages = parse_event(event)
    except InvalidInputError:
        return
    assert len(messages) == len(event["Records"])
    for message, source in zip(messages, event["Records"], strict=True):
        assert message.message_id == source["messageId"]
        if isinstance(message, TicketMessage):
            assert 1 <= message.ticket_id <= LARGEST_ID
            assert message.receive_count >= 0


@pytest.mark.parametrize("event", [None, [], "x", 1, {}, {"records": []}, {"Records": {}}, {"Records": None}])
def test_a_foreign_event_is_refused_with_a_hint(event: object) -> None:
    with pytest.raises(InvalidInputError, match="not an SQS event") as raised:
        parse_event(event)
    assert "ticketctl event" in str(raised.value.hint)


@pytest.mark.parametrize(
    ("event", "name"),
    [
        ({"Records": [{"eventSource": "aws:kinesis", "kinesis": {}}]}, "a Kinesis event"),
        ({"Records": [{"eventSource": "aws:dynamodb", "dynamodb": {}}]}, "a DynamoDB stream event"),
        ({"Records": [{"EventSource": "aws:sns", "Sns": {}}]}, "an SNS event"),
        ({"Records": [{"eventSource": "aws:s3", "s3": {}}]}, "an S3 event"),
        ({"Records": [record(), record(eventSource="aws:new")]}, "an event of 'aws:new'"),
        ({"eventSource": "aws:kafka", "records": {}}, "an MSK event"),
        ({"eventSource": "SelfManagedKafka", "records": {}}, "a Kafka event"),
        ({"eventSource": "aws:rmq", "rmqMessagesByQueue": {}}, "an Amazon MQ event"),
        ({"Messages": [{"MessageId": "m-1", "Body": "{}"}]}, "a response of SQS ReceiveMessage"),
        ({"detail-type": "Scheduled Event", "source": "aws.events", "detail": {}}, "an EventBridge event"),
        ({"awslogs": {"data": ""}}, "a CloudWatch Logs event"),
        ({"version": "2.0", "requestContext": {}}, "an HTTP request"),
        ([], "a list"),
        ({}, "an event without a list of Records"),
    ],
)
def test_an_event_from_elsewhere_is_named(event: object, name: str) -> None:
    with pytest.raises(InvalidInputError, match="not an SQS event") as raised:
        parse_event(event)
    assert str(raised.value).startswith(f"this is {name},")


def wrap_in_sns(body: str) -> str:
    return json.dumps({"Type": "Notification", "MessageId": "n", "TopicArn": "arn:...", "Message": body})


def wrap_in_eventbridge(body: str) -> str:
    return json.dumps({"version": "0", "detail-type": "Ticket", "source": "shop", "detail": json.loads(body)})


@pytest.mark.parametrize(
    "body",
    [
        wrap_in_sns(message_body(7)),
        wrap_in_eventbridge(message_body(7)),
        wrap_in_sns(wrap_in_eventbridge(message_body(7))),
    ],
)
def test_envelopes_of_sns_and_eventbridge_are_opened(body: str) -> None:
    assert parse_one(record(body=body)) == TicketMessage(message_id="m-1", ticket_id=7)


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"Records": [{"eventSource": "aws:s3"}]}, "an S3 event"),
        ({"Event": "s3:TestEvent", "Bucket": "b"}, "an S3 test notification"),
        ({"Type": "SubscriptionConfirmation", "Message": "..."}, "an SNS subscription confirmation"),
        ({"detail-type": "Scheduled Event", "detail": {}}, "an EventBridge event"),
        ({"Type": ["Notification"], "Message": {}}, ""),
        ({"Type": "Notification", "Message": "hello"}, ""),
        ({"detail-type": "Big", "detail": {"ticket_id": 10**400}}, ""),
    ],
)
def test_a_body_from_elsewhere_is_malformed_and_named(body: object, name: str) -> None:
    message = parse_one(record(body=json.dumps(body)))
    assert isinstance(message, MalformedMessage)
    assert name in message.reason
    assert 'not a ticket message: it must be a JSON object such as {"ticket_id": 7}' in message.reason


def test_an_event_without_records_has_no_messages() -> None:
    assert parse_event({"Records": []}) == []


def test_a_record_from_aws() -> None:
    attributes = {"ApproximateReceiveCount": "3", "MessageGroupId": "ada"}
    assert parse_one(record(attributes=attributes)) == TicketMessage(
        message_id="m-1", ticket_id=7, group="ada", receive_count=3
    )


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "7",
        "[7]",
        "{}",
        '{"ticket_id": null}',
        '{"ticket_id": true}',
        '{"ticket_id": "7"}',
        '{"ticket_id": 7.5}',
        '{"ticket_id": 0}',
        '{"ticket_id": -1}',
        f'{{"ticket_id": {LARGEST_ID + 1}}}',
        '{"ticket_id": 1e400}',
        '{"ticket_id": 7} 8',
        '{"ticket_id": ' + "9" * 10_000 + "}",
        '{"a":' * 10_000 + "1" + "}" * 10_000,
        "\ud800",
        "\0",
    ],
)
def test_a_body_without_a_ticket_is_malformed_and_keeps_its_group(body: str) -> None:
    message = parse_one(record(body=body, attributes={"MessageGroupId": "ada"}))
    assert isinstance(message, MalformedMessage)
    assert (message.message_id, message.group) == ("m-1", "ada")
    assert "not a ticket message" in message.reason


@pytest.mark.parametrize("body", [None, 7, {"ticket_id": 7}, ["7"]])
def test_a_body_that_is_not_text_is_malformed(body: object) -> None:
    assert parse_one(record(body=body)) == MalformedMessage(message_id="m-1", reason="the record has no body")


@pytest.mark.parametrize("ticket_id", [1, LARGEST_ID])
def test_the_smallest_and_the_largest_ticket_id(ticket_id: int) -> None:
    message = parse_one(record(body=message_body(ticket_id)))
    assert isinstance(message, TicketMessage)
    assert message.ticket_id == ticket_id


@pytest.mark.parametrize("source", [None, 7, "m-1", [], {}, record(messageId=""), record(messageId=7)])
def test_a_record_without_a_message_id_fails_the_batch(source: object) -> None:
    with pytest.raises(InvalidInputError, match="record 2 has no messageId"):
        parse_event({"Records": [record(), source]})


def test_a_malformed_record_does_not_affect_the_others() -> None:
    kinds = [type(m) for m in parse_event({"Records": [record(), record(body="x"), record()]})]
    assert kinds == [TicketMessage, MalformedMessage, TicketMessage]


@pytest.mark.parametrize(
    "message_id", ["\ud800", "m-\udcff"], ids=["half a surrogate pair", "a byte that was not UTF-8"]
)
def test_a_message_id_with_invalid_unicode_is_malformed(message_id: str) -> None:
    message = parse_one(record(messageId=message_id))
    assert isinstance(message, MalformedMessage)
    assert message.message_id == message_id


@pytest.mark.parametrize("attributes", [None, [], "x", {"MessageGroupId": 7}, {"MessageGroupId": ""}])
def test_an_invalid_group_is_no_group(attributes: object) -> None:
    assert parse_one(record(attributes=attributes)) == TicketMessage(message_id="m-1", ticket_id=7)


@pytest.mark.parametrize(
    ("count", "read"),
    [("1", 1), ("12", 12), (4, 4), ("", 1), ("x", 1), ("-3", 1), ("²", 1), (None, 1), ("9" * 99, 1)],
)
def test_receive_counts(count: object, read: int) -> None:
    message = parse_one(record(attributes={"ApproximateReceiveCount": count}))
    assert isinstance(message, TicketMessage)
    assert message.receive_count == read


def test_the_response_names_each_failed_message_once() -> None:
    assert batch_response([]) == {"batchItemFailures": []}
    assert batch_response(["b", "a", "b"]) == {
        "batchItemFailures": [{"itemIdentifier": "b"}, {"itemIdentifier": "a"}]
    }


def test_a_built_event_has_the_fields_of_aws() -> None:
    messages = [TicketMessage(message_id="m-1", ticket_id=7, group="ada", receive_count=2)]
    event = build_event(messages, sent_at=NOON)
    [made] = event["Records"]
    assert set(made) == {
        "messageId",
        "receiptHandle",
        "body",
        "attributes",
        "messageAttributes",
        "md5OfBody",
        "eventSource",
        "eventSourceARN",
        "awsRegion",
    }
    assert made["attributes"] == {
        "ApproximateReceiveCount": "2",
        "SentTimestamp": str(int(NOON.timestamp() * 1000)),
        "SenderId": "AIDAEXAMPLE",
        "ApproximateFirstReceiveTimestamp": str(int(NOON.timestamp() * 1000)),
        "MessageGroupId": "ada",
    }
    assert made["md5OfBody"] == md5(made["body"].encode(), usedforsecurity=False).hexdigest()
    assert b64decode(made["receiptHandle"])
    assert parse_event(json.loads(json.dumps(event))) == messages
