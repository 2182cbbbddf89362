"""The operations of the API for people who share the work: close, reopen, assign, tag, note, history, undo."""

from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict

from ticketctl.api.caller import By
from ticketctl.api.decisions import CHANGED_TICKET, apply
from ticketctl.api.openapi_examples import document_response
from ticketctl.api.problems import document_responses
from ticketctl.api.resources import BoundedRoute, Opened, json_response, send_message
from ticketctl.api.schemas import TicketHistory, TicketId, limited
from ticketctl.tickets import decisions, undo
from ticketctl.tickets.decisions import NAME_LIMIT, Decision
from ticketctl.tickets.models import BODY_LIMIT

router = APIRouter(route_class=BoundedRoute, prefix="/tickets/{ticket_id}", tags=["tickets"])


class NoteInput(BaseModel):
    """A note as a client sends it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    text: str = limited(..., "The note.", minLength=1, maxLength=BODY_LIMIT, pattern=r"\S")


class AssigneeInput(BaseModel):
    """An assignee as a client sends it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    assignee: str | None = limited(
        ...,
        "The person who takes care of the ticket; null removes the assignee.",
        maxLength=NAME_LIMIT,
        pattern=r"^[^\r\n]*\S[^\r\n]*$",
    )


Tag = Annotated[str, Path(description="The tag.", json_schema_extra={"pattern": r"^[A-Za-z0-9_.:+-]{1,50}$"})]


@router.post("/close", summary="Close a ticket", responses=CHANGED_TICKET)
async def close_ticket(ticket_id: TicketId, resources: Opened, by: By) -> Response:
    """Close a ticket, so that no worker changes it."""
    return await apply(resources, ticket_id, Decision(action="close"), by)


@router.post("/reopen", summary="Reopen a ticket", responses=CHANGED_TICKET)
async def reopen_ticket(ticket_id: TicketId, resources: Opened, by: By) -> Response:
    """Reopen a closed ticket: for a review if it was processed, else for a worker."""
    return await apply(resources, ticket_id, Decision(action="reopen"), by)


@router.put("/assignee", summary="Assign a ticket", responses=CHANGED_TICKET)
async def assign_ticket(ticket_id: TicketId, assignee: AssigneeInput, resources: Opened, by: By) -> Response:
    """Say who takes care of a ticket."""
    return await apply(resources, ticket_id, decisions.assign(assignee.assignee), by)


@router.put("/tags/{tag}", summary="Tag a ticket", responses=CHANGED_TICKET)
async def tag_ticket(ticket_id: TicketId, tag: Tag, resources: Opened, by: By) -> Response:
    """Add a tag to a ticket."""
    return await apply(resources, ticket_id, decisions.tag(tag), by)


@router.delete("/tags/{tag}", summary="Remove a tag", responses=CHANGED_TICKET)
async def untag_ticket(ticket_id: TicketId, tag: Tag, resources: Opened, by: By) -> Response:
    """Remove a tag from a ticket."""
    return await apply(resources, ticket_id, decisions.tag(tag, remove=True), by)


@router.post("/notes", summary="Write a note", responses=CHANGED_TICKET)
async def note_ticket(ticket_id: TicketId, note: NoteInput, resources: Opened, by: By) -> Response:
    """Write a note on a ticket, for the people who work on it."""
    return await apply(resources, ticket_id, decisions.note(note.text), by)


@router.post("/undo", summary="Undo the last change", responses=CHANGED_TICKET)
async def undo_ticket(ticket_id: TicketId, resources: Opened, by: By) -> Response:
    """Take back the last change that a person made; 409 if a worker has changed the ticket since."""
    ticket, _ = await undo.undo_last(resources.decisions, ticket_id, by=by.actor, seen=by.seen)
    await send_message(resources, ticket)
    return json_response(ticket)


@router.get(
    "/history",
    summary="Show the history of a ticket",
    response_description="Every change, the oldest first.",
    responses={200: document_response(TicketHistory), **document_responses(404, 422)},
)
async def show_history(ticket_id: TicketId, resources: Opened) -> Response:
    """Return every change of a ticket with time, actor, and old and new values."""
    changes = await decisions.get_history(resources.store, resources.decisions, ticket_id)
    return json_response(TicketHistory(ticket_id=ticket_id, changes=changes))
