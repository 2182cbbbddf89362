"""How an event source mapping reads a handler's response, by AWS's rules."""

import pytest

from ticketctl.errors import InvalidInputError
from ticketctl.tickets.messages import read_batch_response

BATCH = {"one", "two"}


@pytest.mark.parametrize(
    "response", [None, {}, "", {"batchItemFailures": []}, {"batchItemFailures": None}, {"other": 1}]
)
def test_no_failures_are_success(response: object) -> None:
    assert read_batch_response(response, BATCH) == frozenset()


def test_the_named_messages_are_returned() -> None:
    response = {"batchItemFailures": [{"itemIdentifier": "two"}, {"itemIdentifier": "two"}]}
    assert read_batch_response(response, BATCH) == {"two"}


@pytest.mark.parametrize(
    "failures",
    [
        [{"itemIdentifier": "three"}],
        [{"itemIdentifier": ""}],
        [{"itemIdentifier": None}],
        [{"itemIdentifier": 7}],
        [{"messageId": "one"}],
        ["one"],
        [{"itemIdentifier": "one"}, {}],
        "one",
        {"itemIdentifier": "one"},
    ],
)
def test_any_other_identifier_fails_the_whole_batch(failures: object) -> None:
    with pytest.raises(InvalidInputError):
        read_batch_response({"batchItemFailures": failures}, BATCH)


@pytest.mark.parametrize("response", ["ok", 1, True, ["one"]])
def test_any_other_response_fails_the_whole_batch(response: object) -> None:
    with pytest.raises(InvalidInputError):
        read_batch_response(response, BATCH)
