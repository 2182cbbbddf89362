import pytest

from ticketctl.warmstart.report.batch_response import interpret_response

EVENT = {"Records": [{"messageId": name, "eventSource": "aws:sqs"} for name in ("a", "b")]}


@pytest.mark.parametrize(
    "response",
    [None, {}, {"batchItemFailures": []}, {"batchItemFailures": None}, {"statusCode": 200}, "done"],
)
def test_a_response_without_failures_means_that_the_batch_succeeded(response):
    result = interpret_response(EVENT, response)
    assert result.message_ids == ("a", "b")
    assert result.failed_ids == frozenset()
    assert result.error is None


def test_listed_messages_failed():
    assert interpret_response(EVENT, {"batchItemFailures": [{"itemIdentifier": "b"}]}).failed_ids == {"b"}


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ([{"itemIdentifier": "c"}], "'c' is not the id of a message"),
        ([{"itemIdentifier": ""}], "'' is not the id of a message"),
        ([{"itemIdentifier": None}], "None is not the id of a message"),
        ([{"itemIdentifier": ["a"]}], "is not the id of a message"),
        ([{"messageId": "a"}], "has no itemIdentifier"),
        (["a"], "has no itemIdentifier"),
        ({"itemIdentifier": "a"}, "is not a list"),
    ],
)
def test_an_invalid_item_fails_the_whole_batch(items, expected):
    result = interpret_response(EVENT, {"batchItemFailures": items})
    assert expected in result.error
    assert result.failed_ids == {"a", "b"}


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ({"batch_item_failures": [{"itemIdentifier": "a"}]}, "finds 'batch_item_failures'"),
        ([{"itemIdentifier": "a"}], "finds a list"),
    ],
)
def test_failures_under_another_key_are_reported_because_aws_deletes_them(response, expected):
    result = interpret_response(EVENT, response)
    assert "AWS deletes the whole batch" in result.error
    assert expected in result.error
    assert result.failed_ids == {"a", "b"}


@pytest.mark.parametrize(
    "event",
    [None, [], "text", {}, {"Records": {}}, {"Records": [1]}, {"Records": [{"eventSource": "aws:s3"}]}],
)
def test_an_event_of_another_source_has_no_messages(event):
    assert interpret_response(event, {"batchItemFailures": [{"itemIdentifier": "a"}]}).message_ids == ()
