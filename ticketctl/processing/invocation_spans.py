"""The span of an invocation, and the metrics of its records."""

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from ticketctl.processing.batch import RecordResult
from ticketctl.telemetry.attributes import PROCESS_MESSAGE
from ticketctl.telemetry.metrics import QUEUE_AGE, TICKETS
from ticketctl.telemetry.protocols import Span, Telemetry
from ticketctl.tickets.messages import Message, TicketMessage


def open_invocation_span(
    telemetry: Telemetry, messages: Sequence[Message], context: Any
) -> AbstractContextManager[Span]:
    """Return a context in which the invocation's span is the current one; `context` is Lambda's.

    It is a part of the messages' trace if they have one in common. Otherwise it is a trace of its own, linked to theirs.
    """
    if not telemetry.is_on:
        return telemetry.span("")
    senders = {message.traceparent for message in messages if isinstance(message, TicketMessage)}
    links = {sender for sender in senders if sender is not None}
    attributes = {
        **PROCESS_MESSAGE,
        "messaging.batch.message_count": len(messages),
        "faas.trigger": "pubsub",
        "faas.invocation_id": getattr(context, "aws_request_id", None) or "",
    }
    for message in messages:
        if isinstance(message, TicketMessage) and message.sent_at is not None:
            telemetry.record(QUEUE_AGE, max(0.0, time.time() - message.sent_at))
    if len(senders) == 1 and links:
        return telemetry.span("process batch", "consumer", attributes, parent=links.pop())
    return telemetry.span("process batch", "consumer", attributes, links=links)


def record_invocation(telemetry: Telemetry, results: Sequence[RecordResult]) -> None:
    """Count the records that return to the queue, by error."""
    for result in results:
        if result.error is not None:
            attributes = {"ticketctl.outcome": "returned", "error.type": type(result.error).__qualname__}
            telemetry.record(TICKETS, 1, attributes)
