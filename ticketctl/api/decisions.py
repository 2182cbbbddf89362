"""What the operations that change one ticket share."""

from typing import Any

from fastapi import Response

from ticketctl.api.caller import Caller
from ticketctl.api.openapi_examples import document_response
from ticketctl.api.problems import document_responses
from ticketctl.api.resources import json_response, send_message
from ticketctl.tickets import decisions
from ticketctl.tickets.decisions import Decision
from ticketctl.tickets.models import Ticket
from ticketctl.tickets.operator_resources import OperatorResources

CHANGED_TICKET: dict[int | str, dict[str, Any]] = {
    200: document_response(Ticket),
    **document_responses(404, 409, 422),
}
"""The responses of an operation that changes one ticket."""


async def apply(resources: OperatorResources, ticket_id: int, decision: Decision, by: Caller) -> Response:
    """Apply a decision to one ticket and return the ticket as it is then. Raise the decision's error."""
    outcomes = await decisions.apply(resources.decisions, decision, [ticket_id], by=by.actor, seen=by.seen)
    ticket = decisions.get_ticket(outcomes)
    if decision.action == "reopen":
        await send_message(resources, ticket)
    return json_response(ticket)
