"""The operations: each calls one function of `service`, and answers in the forms of the command line."""

import logging
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response

from ticketctl.api.openapi_examples import answering
from ticketctl.api.problems import documented
from ticketctl.api.schemas import IdempotencyKey, ListQuery, TicketId, TicketToCreate
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
    response_description="The ticket; its message is on the way to a worker.",
    responses={
        200: answering(Ticket, description="The ticket that this Idempotency-Key made before."),
        201: answering(Ticket, headers={"Location": {"schema": {"type": "string"}}}),
        **documented(400, 422),
    },
)
async def create_ticket(
    ticket: TicketToCreate, resources: Opened, idempotency_key: IdempotencyKey = None
) -> Response:
    """Make a ticket, and the message that brings it to a worker.

    The same Idempotency-Key with the same content answers the first ticket; with another content it is refused.
    """
    made, new = await service.create(resources.store, ticket.ticket(idempotency_key))
    await _send(resources, made)
    location = {"Location": f"/tickets/{made.id}"}
    return _json(made, HTTPStatus.CREATED if new else HTTPStatus.OK, location)


@router.get(
    "/tickets",
    summary="List tickets",
    response_description="One page; `next_cursor` is null on the last one.",
    responses={200: answering(TicketPage), **documented(422)},
)
async def list_tickets(query: Annotated[ListQuery, Query()], resources: Opened) -> Response:
    """Read a page of tickets, the newest first unless another order is asked for."""
    page = await service.list_tickets(
        resources.store, query.wanted(), sort=query.sort, limit=query.limit, after=query.after, count=True
    )
    return _json(page)


@router.get(
    "/tickets/{ticket_id}",
    summary="Show a ticket",
    response_description="The ticket with every saved step and every try.",
    responses={200: answering(TicketView), **documented(404, 422)},
)
async def show_ticket(ticket_id: TicketId, resources: Opened, request: Request) -> Response:
    """Read a ticket: what the pipeline made of it, step by step, what that cost, and every try."""
    details = await service.show(resources.store, ticket_id)
    return _json(TicketView.of(details, request.app.state.prices))


@router.post(
    "/tickets/{ticket_id}/retry",
    summary="Try a ticket again",
    response_description="The ticket, new again.",
    responses={200: answering(Ticket), **documented(404, 409, 422)},
)
async def retry_ticket(ticket_id: TicketId, resources: Opened) -> Response:
    """Give a ticket another try; a step that is saved is not asked for again."""
    ticket = await service.retry(resources.store, resources.operations, ticket_id)
    await _send(resources, ticket)
    return _json(ticket)


@router.get("/healthz", summary="Whether the process answers", response_description="It does.")
async def health() -> dict[str, str]:
    """Answer without looking at anything else."""
    return {"status": "ok"}


@router.get(
    "/readyz",
    summary="Whether tickets can be served",
    response_description="The database answers, and has the tables of this version.",
)
async def readiness(resources: Opened) -> dict[str, str]:
    """Ask the database for the revision of its tables."""
    await resources.operations.check_schema()
    return {"status": "ready"}


async def _send(resources: OperatorResources, ticket: Ticket) -> None:
    unsent = await resources.try_flush(ticket.id)
    if unsent is not None:
        log.warning("the message of a ticket waits in the outbox: %s", unsent, extra={"ticket_id": ticket.id})


def _json(form: Any, status: HTTPStatus = HTTPStatus.OK, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(form), status, headers, "application/json")
