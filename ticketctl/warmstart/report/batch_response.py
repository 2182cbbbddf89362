"""How AWS interprets a handler's response to a batch of SQS messages.

Source: "Implementing partial batch responses" in the AWS Lambda developer guide. No response, an empty one, and an
empty or null list mean that the whole batch succeeded. An identifier that is empty, null, under another key, or not
the id of a message in the batch means that the whole batch failed. AWS ignores failures listed under any other key:
it deletes those messages with the rest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

KEY = "batchItemFailures"
ITEM = "itemIdentifier"


@dataclass(frozen=True, slots=True)
class BatchResult:
    """A batch's message ids, the failed ones, and what is wrong with the response's form, if anything is."""

    message_ids: tuple[str, ...] = ()
    failed_ids: frozenset[str] = frozenset()
    error: str | None = None


def list_message_ids(event: object) -> tuple[str, ...]:
    """Return the ids of an SQS event's messages; empty for any other event."""
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


def interpret_response(event: object, response: Any) -> BatchResult:
    """Interpret a response as the event source mapping does. Messages that AWS deletes by mistake count as failed."""
    message_ids = list_message_ids(event)
    if message_ids and (error := _find_ignored_failures(response)):
        return BatchResult(message_ids, frozenset(message_ids), error)
    if not message_ids or not isinstance(response, Mapping) or not response.get(KEY):
        return BatchResult(message_ids)
    items = response[KEY]
    error = _find_invalid_item(items, message_ids)
    if error:
        return BatchResult(
            message_ids, frozenset(message_ids), f"AWS treats the whole batch as failed: {error}"
        )
    return BatchResult(message_ids, frozenset(item[ITEM] for item in items))


def _find_ignored_failures(response: Any) -> str | None:
    """Return what is wrong if the response lists failures where AWS does not look for them."""
    values: Mapping[object, object] = {None: response}
    if isinstance(response, Mapping):
        values = {key: value for key, value in response.items() if key != KEY}
    for key, items in values.items():
        if isinstance(items, list) and any(isinstance(item, Mapping) and ITEM in item for item in items):
            actual = "a list" if key is None else repr(key)
            return f"AWS deletes the whole batch: it looks for {KEY}, and finds {actual}"
    return None


def _find_invalid_item(items: Any, message_ids: tuple[str, ...]) -> str | None:
    if not isinstance(items, list):
        return f"{KEY} is not a list"
    for item in items:
        if not isinstance(item, Mapping) or ITEM not in item:
            return f"an item of {KEY} has no {ITEM}: {item!r}"
        if item[ITEM] not in message_ids:
            return f"{ITEM} {item[ITEM]!r} is not the id of a message in the batch"
    return None
