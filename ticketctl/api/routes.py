"""The operations of the API. Each calls one function of the ticket service and returns the JSON of the command line."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from ticketctl.api.caller import By
from ticketctl.api.openapi_examples import document_response
from ticketctl.api.problems import document_responses
from ticketctl.api.resources import BoundedRoute, Opened, json_response, send_message
from ticketctl.api.schemas import (
    IdempotencyKey,
    ListQuery,
    TicketId,
    TicketInput,
    TicketListing,
    to_listing,
)
from ticketctl.tickets import decisions, service
from ticketctl.tickets.decisions import Decision
from ticketctl.tickets.models import Ticket
from ticketctl.tickets.views import TicketView

_MAX_PAGE_BYTES = 5_500_000
"""The largest page of a list. A response of Lambda has 6 MB at most, and holds the page as a JSON string."""

router = APIRouter(route_class=BoundedRoute)


@router.post(
    "/tickets",
    tags=["tickets"],
    status_code=HTTPStatus.CREATED,
    summary="Create a ticket",
    response_description="The ticket; its message is in the queue.",
    responses={
        200: document_response(
            Ticket, description="The ticket that was created with this Idempotency-Key before."
        ),
        201: document_response(Ticket, headers={"Location": {"schema": {"type": "string"}}}),
        **document_responses(409, 422),
    },
)
async def create_ticket(
    ticket: TicketInput, resources: Opened, request: Request, by: By, idempotency_key: IdempotencyKey = None
) -> Response:
    """Create a ticket, and the message that brings it to a worker.

    The same Idempotency-Key with the same content returns the first ticket; with other content it is refused. A key
    belongs to the token that it was sent with.
    """
    new = ticket.to_new_ticket(idempotency_key, request.state.key_owner, str(by.actor))
    created, is_new = await service.create(resources.store, new)
    await send_message(resources, created)
    location = {"Location": f"/tickets/{created.id}"}
    return json_response(created, HTTPStatus.CREATED if is_new else HTTPStatus.OK, location)


@router.get(
    "/tickets",
    tags=["tickets"],
    summary="List tickets",
    response_description="One page; `next_cursor` is null on the last one.",
    responses={
        200: document_response(TicketListing, headers={"Link": {"schema": {"type": "string"}}}),
        **document_responses(422),
    },
)
async def list_tickets(query: Annotated[ListQuery, Query()], resources: Opened, request: Request) -> Response:
    """Return a page of tickets, newest first by default. A page of large tickets has fewer than `limit`."""
    names = query.to_fields()
    page = await service.list_tickets(
        resources.store,
        query.to_filter(),
        sort=query.sort,
        limit=query.limit,
        after=query.after,
        count=True,
        without={"body", "draft"}.difference(names),
        max_bytes=_MAX_PAGE_BYTES,
    )
    following = request.url.include_query_params(after=page.next_cursor)
    link = {} if page.next_cursor is None else {"Link": f'<{following.path}?{following.query}>; rel="next"'}
    return json_response(to_listing(page, names), headers=link)


@router.get(
    "/tickets/{ticket_id}",
    tags=["tickets"],
    summary="Show a ticket",
    response_description="The ticket with its steps and attempts.",
    responses={
        200: document_response(TicketView, headers={"ETag": {"schema": {"type": "string"}}}),
        **document_responses(404, 422),
    },
)
async def show_ticket(ticket_id: TicketId, resources: Opened, request: Request) -> Response:
    """Return a ticket with each step of the pipeline, its cost, and each attempt."""
    details = await service.show(resources.store, ticket_id)
    tag = {"ETag": f'"{details.ticket.updated_at.isoformat()}"'}
    return json_response(TicketView.of(details, request.app.state.prices), headers=tag)


@router.post(
    "/tickets/{ticket_id}/retry",
    tags=["tickets"],
    summary="Retry a ticket",
    response_description="The ticket, new again.",
    responses={200: document_response(Ticket), **document_responses(404, 409, 422)},
)
async def retry_ticket(ticket_id: TicketId, resources: Opened, by: By) -> Response:
    """Put a ticket back to new. Saved steps are not repeated."""
    outcomes = await decisions.apply(
        resources.decisions, Decision(action="retry"), [ticket_id], by=by.actor, seen=by.seen
    )
    ticket = decisions.get_ticket(outcomes)
    await send_message(resources, ticket)
    return json_response(ticket)


@router.get(
    "/healthz",
    tags=["health"],
    summary="Check that the process answers",
    response_description="The process answers.",
)
async def health() -> dict[str, str]:
    """Answer without checking anything else."""
    return {"status": "ok"}


@router.get(
    "/readyz",
    tags=["health"],
    summary="Check that tickets can be served",
    response_description="The database answers and has the tables of this version.",
)
async def readiness(resources: Opened) -> dict[str, str]:
    """Check the database and the revision of its tables."""
    await resources.operations.check_schema()
    return {"status": "ready"}
