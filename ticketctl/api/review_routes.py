"""The operations of the API for reviewers: set fields, redraft, approve, reject. Every decision is one change of one ticket."""

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict

from ticketctl.api.caller import By
from ticketctl.api.decisions import CHANGED_TICKET, apply
from ticketctl.api.resources import BoundedRoute, Opened, json_response
from ticketctl.api.schemas import TicketId, limited
from ticketctl.tickets import decisions, service
from ticketctl.tickets.decisions import Decision
from ticketctl.tickets.models import BODY_LIMIT

router = APIRouter(route_class=BoundedRoute, prefix="/tickets/{ticket_id}", tags=["tickets"])


class FieldsInput(BaseModel):
    """Fields that a person sets, as a client sends them; the others stay."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra={"minProperties": 1})

    category: str | None = limited(None, "A category of the taxonomy.")
    priority: str | None = limited(None, "A priority of the taxonomy.")
    sentiment: str | None = limited(None, "The requester's mood.")
    language: str | None = limited(None, "An ISO 639 code.", pattern="^[a-z]{2,3}$")
    team: str | None = limited(None, "A team of the taxonomy.")
    draft: str | None = limited(None, "The reply.", maxLength=BODY_LIMIT, pattern=r"\S")


class RejectionInput(BaseModel):
    """Why a draft is rejected, as a client sends it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    reason: str | None = limited(None, "Why, for the history.", maxLength=service.FILTER_LIMIT)


@router.patch("", summary="Set fields of a ticket", responses=CHANGED_TICKET)
async def set_fields(ticket_id: TicketId, fields: FieldsInput, resources: Opened, by: By) -> Response:
    """Set fields, which no later run overwrites. The routing rules choose the team again, unless a person set it."""
    values = fields.model_dump(exclude_none=True)
    outcomes = await resources.make_reviews().set([ticket_id], values, by=by.actor, seen=by.seen)
    return json_response(decisions.get_ticket(outcomes))


@router.post("/draft", summary="Draft the reply of a ticket again", responses=CHANGED_TICKET)
async def draft_reply(ticket_id: TicketId, resources: Opened, by: By) -> Response:
    """Replace the draft by the template of the ticket's category; 409 if a person decided on it, or no template fits."""
    outcomes = await resources.make_reviews().redraft([ticket_id], by=by.actor, seen=by.seen)
    return json_response(decisions.get_ticket(outcomes))


@router.post("/approve", summary="Approve a ticket", responses=CHANGED_TICKET)
async def approve_ticket(ticket_id: TicketId, resources: Opened, by: By) -> Response:
    """Confirm all fields and the draft, and end the review."""
    return await apply(resources, ticket_id, Decision(action="approve"), by)


@router.post("/reject", summary="Reject the draft of a ticket", responses=CHANGED_TICKET)
async def reject_draft(ticket_id: TicketId, rejection: RejectionInput, resources: Opened, by: By) -> Response:
    """Delete the draft, so that no later run writes another, and end the review."""
    outcomes = await resources.make_reviews().reject([ticket_id], rejection.reason, by=by.actor, seen=by.seen)
    return json_response(decisions.get_ticket(outcomes))
