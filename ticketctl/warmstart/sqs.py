"""What AWS makes of the response to a batch of SQS messages.

Source: "Implementing partial batch responses" in the AWS Lambda developer guide. No response, an empty one and an
empty or null list mean that all went well; an identifier that is empty, null, under another key, or of no message in
the batch means that the whole batch failed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

KEY = "batchItemFailures"
ITEM = "itemIdentifier"


@dataclass(frozen=True, slots=True)
class Reading:
    """The batch's message ids, those that come again, and why AWS takes the whole batch as failed, if it does."""

    messages: tuple[str, ...] = ()
    returned: frozenset[str] = frozenset()
    misread: str | None = None


def message_ids(event: object) -> tuple[str, ...]:
    """Return the ids of an SQS event's messages; nothing for any other event."""
    records = event.get("Records") if isinstance(event, Mapping) else None
    if not isinstance(records, list):
        return ()
    return tuple(
        record["messageId"]
        for record in records
        if isinstance(record, Mapping)
        and record.get("eventSource") == "aws:sqs"
        and isinstance(record.get("messageId"), str)
    )


def read(event: object, response: Any) -> Reading:
    """Read a response as the event source mapping would."""
    messages = message_ids(event)
    if not messages or not isinstance(response, Mapping) or not response.get(KEY):
        return Reading(messages)
    items = response[KEY]
    misread = _misread(items, messages)
    if misread:
        return Reading(messages, frozenset(messages), misread)
    return Reading(messages, frozenset(item[ITEM] for item in items))


def _misread(items: Any, messages: tuple[str, ...]) -> str | None:
    if not isinstance(items, list):
        return f"{KEY} is no list"
    for item in items:
        if not isinstance(item, Mapping) or ITEM not in item:
            return f"an item of {KEY} has no {ITEM}: {item!r}"
        if item[ITEM] not in messages:
            return f"{ITEM} {item[ITEM]!r} is the id of no message in the batch"
    return None
