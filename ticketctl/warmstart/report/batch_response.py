"""What AWS makes of the response to a batch of SQS messages.

Source: "Implementing partial batch responses" in the AWS Lambda developer guide. No response, an empty one and an
empty or null list mean that all went well; an identifier that is empty, null, under another key, or of no message in
the batch means that the whole batch failed. What is named under any other key is not looked for: those messages are
deleted with the rest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

KEY = "batchItemFailures"
ITEM = "itemIdentifier"


@dataclass(frozen=True, slots=True)
class Reading:
    """The batch's message ids, those that come again, and what AWS makes of a response that it reads otherwise."""

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
    if messages and (named := _unread(response)):
        return Reading(messages, frozenset(messages), named)
    if not messages or not isinstance(response, Mapping) or not response.get(KEY):
        return Reading(messages)
    items = response[KEY]
    misread = _misread(items, messages)
    if misread:
        return Reading(messages, frozenset(messages), f"AWS takes the whole batch as failed: {misread}")
    return Reading(messages, frozenset(item[ITEM] for item in items))


def _unread(response: Any) -> str | None:
    """Say where failures are named, if it is not where AWS looks for them."""
    values: Mapping[object, object] = {None: response}
    if isinstance(response, Mapping):
        values = {key: value for key, value in response.items() if key != KEY}
    for key, items in values.items():
        if isinstance(items, list) and any(isinstance(item, Mapping) and ITEM in item for item in items):
            instead = "a list" if key is None else repr(key)
            return f"AWS deletes the whole batch: it looks for {KEY}, and finds {instead}"
    return None


def _misread(items: Any, messages: tuple[str, ...]) -> str | None:
    if not isinstance(items, list):
        return f"{KEY} is no list"
    for item in items:
        if not isinstance(item, Mapping) or ITEM not in item:
            return f"an item of {KEY} has no {ITEM}: {item!r}"
        if item[ITEM] not in messages:
            return f"{ITEM} {item[ITEM]!r} is the id of no message in the batch"
    return None
