"""Attributes of messaging spans, by https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/."""

from ticketctl.telemetry.protocols import Attributes

DESTINATION = "tickets"
"""The queue's name in spans, whatever carries the messages."""


def _messaging(operation: str, system: str = "ticketctl") -> Attributes:
    return {
        "messaging.system": system,
        "messaging.destination.name": DESTINATION,
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
    }


CREATE_MESSAGE = _messaging("create")
SEND_MESSAGES = _messaging("send", "aws_sqs")
PROCESS_MESSAGE = _messaging("process")
