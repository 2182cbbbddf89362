"""The operations of the API. Each calls one function of the ticket service and returns the JSON of the command line."""

import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from ticketctl.api.openapi_examples import document_response
from ticketctl.api.problems import document_responses
from ticketctl.api.schemas import (
    IdempotencyKey,
    ListQuery,
    TicketId,
    TicketInput,
    TicketListing,
    to_listing,
)
from ticketctl.runtime import OperatorResources
from ticketctl.tickets import service
from ticketctl.tickets.models import Ticket
from ticketctl.tickets.views import TicketView

log = logging.getLogger(__name__)

MAX_MEMBERS = 100
"""The most strings that can be names in the JSON of a request; a ticket has three members."""
_MAX_PAGE_BYTES = 5_500_000
"""The largest page of a list. A response of Lambda has 6 MB at most, and holds the page as a JSON string."""


class _BoundedRequest(Request):
    """A request whose JSON is checked for its size in members before it is parsed.

    An object with many members costs hundreds of times its length, because each unknown one is an error with a text.
    """

    async def json(self) -> Any:
        """Return the body as JSON. Raise HTTPException if it has too many members."""
        body = await self.body()
        # The quote that begins a string never follows a backslash, so that each string counts at least once.
        if body.count(b'"') - body.count(b'\\"') > 2 * MAX_MEMBERS:
            # FastAPI makes 400 of any other exception
            raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, "the body has too many members")
        return await super().json()


class _BoundedRoute(APIRoute):
    """A route that reads its body through `_BoundedRequest`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return FastAPI's handler for a bounded request."""
        handle = super().get_route_handler()

        async def handle_bounded(request: Request) -> Response:
            return await handle(_BoundedRequest(request.scope, request.receive))

        return handle_bounded


router = APIRouter(route_class=_BoundedRoute)


async def _operator_resources(request: Request) -> AsyncIterator[OperatorResources]:
    async with request.app.state.resources() as resources:
        yield resources


Opened = Annotated[OperatorResources, Depends(_operator_resources)]


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
    ticket: TicketInput, resources: Opened, request: Request, idempotency_key: IdempotencyKey = None
) -> Response:
    """Create a ticket, and the message that brings it to a worker.

    The same Idempotency-Key with the same content returns the first ticket; with other content it is refused. A key
    belongs to the token that it was sent with.
    """
    new = ticket.to_new_ticket(idempotency_key, request.state.key_owner)
    created, is_new = await service.create(resources.store, new)
    await _send(resources, created)
    location = {"Location": f"/tickets/{created.id}"}
    return _json(created, HTTPStatus.CREATED if is_new else HTTPStatus.OK, location)


@router.get(
    "/tickets",
    tags=["tickets"],
    summary="List tickets",
    response_description="One page; `next_cursor` is null on the last one.",
    responses={200: document_response(TicketListing), **document_responses(422)},
)
async def list_tickets(query: Annotated[ListQuery, Query()], resources: Opened) -> Response:
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
    return _json(to_listing(page, names))


@router.get(
    "/tickets/{ticket_id}",
    tags=["tickets"],
    summary="Show a ticket",
    response_description="The ticket with its steps and attempts.",
    responses={200: document_response(TicketView), **document_responses(404, 422)},
)
async def show_ticket(ticket_id: TicketId, resources: Opened, request: Request) -> Response:
    """Return a ticket with each step of the pipeline, its cost, and each attempt."""
    details = await service.show(resources.store, ticket_id)
    return _json(TicketView.of(details, request.app.state.prices))


@router.post(
    "/tickets/{ticket_id}/retry",
    tags=["tickets"],
    summary="Retry a ticket",
    response_description="The ticket, new again.",
    responses={200: document_response(Ticket), **document_responses(404, 409, 422)},
)
async def retry_ticket(ticket_id: TicketId, resources: Opened) -> Response:
    """Put a ticket back to new. Saved steps are not repeated."""
    ticket = await service.retry(resources.store, resources.operations, ticket_id)
    await _send(resources, ticket)
    return _json(ticket)


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


async def _send(resources: OperatorResources, ticket: Ticket) -> None:
    unsent = await resources.try_flush(ticket.id)
    if unsent is not None:
        log.warning("the message of a ticket waits in the outbox: %s", unsent, extra={"ticket_id": ticket.id})


def _json(form: Any, status: HTTPStatus = HTTPStatus.OK, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(form), status, headers, "application/json")
