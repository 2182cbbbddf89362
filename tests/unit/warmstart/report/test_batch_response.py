import pytest

from ticketctl.warmstart.report.batch_response import read

EVENT = {"Records": [{"messageId": name, "eventSource": "aws:sqs"} for name in ("a", "b")]}


@pytest.mark.parametrize(
    "response",
    [None, {}, {"batchItemFailures": []}, {"batchItemFailures": None}, {"statusCode": 200}, "done"],
)
def test_nothing_returned_means_that_all_went_well(response):
    reading = read(EVENT, response)
    assert reading.messages == ("a", "b")
    assert reading.returned == frozenset()
    assert reading.misread is None


def test_what_is_returned_comes_again():
    assert read(EVENT, {"batchItemFailures": [{"itemIdentifier": "b"}]}).returned == {"b"}


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ([{"itemIdentifier": "c"}], "'c' is the id of no message"),
        ([{"itemIdentifier": ""}], "'' is the id of no message"),
        ([{"itemIdentifier": None}], "None is the id of no message"),
        ([{"itemIdentifier": ["a"]}], "is the id of no message"),
        ([{"messageId": "a"}], "has no itemIdentifier"),
        (["a"], "has no itemIdentifier"),
        ({"itemIdentifier": "a"}, "no list"),
    ],
)
def test_what_aws_cannot_read_fails_the_whole_batch(items, said):
    reading = read(EVENT, {"batchItemFailures": items})
    assert said in reading.misread
    assert reading.returned == {"a", "b"}


@pytest.mark.parametrize(
    ("response", "said"),
    [
        ({"batch_item_failures": [{"itemIdentifier": "a"}]}, "finds 'batch_item_failures'"),
        ([{"itemIdentifier": "a"}], "finds a list"),
    ],
)
def test_what_aws_does_not_look_for_is_deleted_with_the_rest(response, said):
    reading = read(EVENT, response)
    assert "AWS deletes the whole batch" in reading.misread
    assert said in reading.misread
    assert reading.returned == {"a", "b"}


@pytest.mark.parametrize(
    "event",
    [None, [], "text", {}, {"Records": {}}, {"Records": [1]}, {"Records": [{"eventSource": "aws:s3"}]}],
)
def test_other_events_have_no_messages(event):
    assert read(event, {"batchItemFailures": [{"itemIdentifier": "a"}]}).messages == ()
