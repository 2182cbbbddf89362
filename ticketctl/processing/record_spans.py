"""The span of a record, in the trace of the request that sent it."""

from contextlib import AbstractContextManager

from ticketctl.telemetry.attributes import PROCESS_MESSAGE
from ticketctl.telemetry.protocols import Span, Telemetry
from ticketctl.tickets.messages import TicketMessage

_TRACE_ID = slice(3, 35)
"""Where a traceparent has the trace: version-trace-span-flags."""


def open_record_span(telemetry: Telemetry, message: TicketMessage) -> AbstractContextManager[Span]:
    """Return a context in which the record's span is the current one.

    If the invocation belongs to the message's trace, its span is the parent. Otherwise the sender's span is, and the
    invocation, which serves several traces, is linked.
    """
    if not telemetry.is_on:
        return telemetry.span("")
    invocation, sender = telemetry.traceparent, message.traceparent
    is_inside = sender is None or (invocation or "")[_TRACE_ID] == sender[_TRACE_ID]
    attributes = {
        **PROCESS_MESSAGE,
        "messaging.message.id": message.message_id,
        "ticketctl.ticket.id": message.ticket_id,
        "ticketctl.receive_count": message.receive_count,
    }
    parent, links = (None, ()) if is_inside else (sender, (invocation,) if invocation else ())
    return telemetry.span("process tickets", "consumer", attributes, parent=parent, links=links)
