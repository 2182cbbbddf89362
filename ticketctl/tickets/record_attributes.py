"""The attributes of an SQS record: what the queue says of a delivery, and what the sender added."""

import re
from datetime import datetime
from typing import Any

TRACEPARENT = "traceparent"
"""The message attribute that carries the trace: https://www.w3.org/TR/trace-context/."""
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def build_attributes(receive_count: int, sent_at: datetime, group: str | None) -> dict[str, str]:
    """Return the attributes that the queue gives a delivery; `group` is the message group of a FIFO queue."""
    sent = str(int(sent_at.timestamp() * 1000))
    attributes = {
        "ApproximateReceiveCount": str(receive_count),
        "SentTimestamp": sent,
        "SenderId": "AIDAEXAMPLE",
        "ApproximateFirstReceiveTimestamp": sent,
    }
    return attributes if group is None else {**attributes, "MessageGroupId": group}


def build_trace_attributes(traceparent: str | None) -> dict[str, Any]:
    """Return the message attributes of a record; `traceparent` is None if it belongs to no trace."""
    return {} if traceparent is None else {TRACEPARENT: {"stringValue": traceparent, "dataType": "String"}}


def parse_traceparent(attributes: object) -> str | None:
    """Return the traceparent of a record's message attributes, None if there is no valid one."""
    attribute = attributes.get(TRACEPARENT) if isinstance(attributes, dict) else None
    value = attribute.get("stringValue") if isinstance(attribute, dict) else None
    return check_traceparent(value)


def check_traceparent(value: object) -> str | None:
    """Return the value if it is a valid traceparent, else None."""
    return value if isinstance(value, str) and _TRACEPARENT.fullmatch(value) else None


def parse_receive_count(value: object) -> int:
    """Return the receive count, which SQS sends as text; 1 if it is not a number."""
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 1  # noqa: PLR2004 - a 32-bit count


def parse_sent_at(value: object) -> float | None:
    """Return seconds since 1970 from milliseconds as text, as SQS sends them; None if it is not a number."""
    text = str(value)
    return int(text) / 1000 if text.isascii() and text.isdigit() and len(text) < 15 else None  # noqa: PLR2004 - up to the year 5138
