"""The operations of the API. Each calls one function of the ticket service and returns the JSON of the command line."""

import logging
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response

from ticketctl.api.openapi_examples import response_with_example
from ticketctl.api.problems import document_responses
from ticketctl.api.schemas import IdempotencyKey, ListQuery, TicketId, TicketInput
from ticketctl.runtime import OperatorResources
from ticketctl.tickets import service
from ticketctl.tickets.models import Ticket
from ticketctl.tickets.protocols import TicketPage
from ticketctl.tickets.views import TicketView

log = logging.getLogger(__name__)
router = APIRouter()


async def _operator_resources(request: Request) -> AsyncIterator[OperatorResources]:
    async with request.app.state.resources() as resources:
        yield resources


Opened = Annotated[OperatorResources, Depends(_operator_resources)]


@router.post(
    "/tickets",
    status_code=HTTPStatus.CREATED,
    summary="Create a ticket",
    response_description="The ticket; its message is in the queue.",
    responses={
        200: response_with_example(
            Ticket, description="The ticket that was created with this Idempotency-Key before."
        ),
        201: response_with_example(Ticket, headers={"Location": {"schema": {"type": "string"}}}),
        **document_responses(400, 422),
    },
)
async def create_ticket(
    ticket: TicketInput, resources: Opened, idempotency_key: IdempotencyKey = None
) -> Response:
    """Create a ticket, and the message that brings it to a worker.

    The same Idempotency-Key with the same content returns the first ticket; with other content it is refused.
    """
    created, is_new = await service.create(resources.store, ticket.to_new_ticket(idempotency_key))
    await _send(resources, created)
    location = {"Location": f"/tickets/{created.id}"}
    return _json(created, HTTPStatus.CREATED if is_new else HTTPStatus.OK, location)


@router.get(
    "/tickets",
    summary="List tickets",
    response_description="One page; `next_cursor` is null on the last one.",
    responses={200: response_with_example(TicketPage), **document_responses(422)},
)
async def list_tickets(query: Annotated[ListQuery, Query()], resources: Opened) -> Response:
    """Return a page of tickets, newest first by default."""
    page = await service.list_tickets(
        resources.store, query.to_filter(), sort=query.sort, limit=query.limit, after=query.after, count=True
    )
    return _json(page)


@router.get(
    "/tickets/{ticket_id}",
    summary="Show a ticket",
    response_description="The ticket with its steps and attempts.",
    responses={200: response_with_example(TicketView), **document_responses(404, 422)},
)
async def show_ticket(ticket_id: TicketId, resources: Opened, request: Request) -> Response:
    """Return a ticket with each step of the pipeline, its cost, and each attempt."""
    details = await service.show(resources.store, ticket_id)
    return _json(TicketView.of(details, request.app.state.prices))


@router.post(
    "/tickets/{ticket_id}/retry",
    summary="Retry a ticket",
    response_description="The ticket, new again.",
    responses={200: response_with_example(Ticket), **document_responses(404, 409, 422)},
)
async def retry_ticket(ticket_id: TicketId, resources: Opened) -> Response:
    """Put a ticket back to new. Saved steps are not repeated."""
    ticket = await service.retry(resources.store, resources.operations, ticket_id)
    await _send(resources, ticket)
    return _json(ticket)


@router.get("/healthz", summary="Check that the process answers", response_description="The process answers.")
async def health() -> dict[str, str]:
    """Answer without checking anything else."""
    return {"status": "ok"}


@router.get(
    "/readyz",
    summary="Check that tickets can be served",
    response_description="The database answers and has the tables of this version.",
)
async def readiness(resources: Opened) -> dict[str, str]:
    """Check the database and the revision of its tables."""
    await resources.operations.check_schema()
    return {"status": "ready"}


async def _send(resources: OperatorResources, ticket: Ticket) -> None:
    unsent = await resources.try_flush(ticket.id)
    if unsent is not None:
        log.warning("the message of a ticket waits in the outbox: %s", unsent, extra={"ticket_id": ticket.id})


def _json(form: Any, status: HTTPStatus = HTTPStatus.OK, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(form), status, headers, "application/json")
