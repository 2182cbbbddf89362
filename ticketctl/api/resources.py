"""What the routes share: the resources of a request, bounded requests, and JSON responses."""

import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from ticketctl.tickets.models import Ticket
from ticketctl.tickets.operator_resources import OperatorResources

log = logging.getLogger(__name__)

MAX_MEMBERS = 100
"""The most strings that can be names in the JSON of a request; a ticket has three members."""


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


class BoundedRoute(APIRoute):
    """A route that reads its body through `_BoundedRequest`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return FastAPI's handler for a bounded request."""
        handle = super().get_route_handler()

        async def handle_bounded(request: Request) -> Response:
            return await handle(_BoundedRequest(request.scope, request.receive))

        return handle_bounded


async def _operator_resources(request: Request) -> AsyncIterator[OperatorResources]:
    async with request.app.state.resources() as resources:
        yield resources


Opened = Annotated[OperatorResources, Depends(_operator_resources)]


async def send_message(resources: OperatorResources, ticket: Ticket) -> None:
    """Send the message of a ticket, if it has one; it stays in the outbox if the queue refuses it."""
    unsent = await resources.try_flush(ticket.id)
    if unsent is not None:
        log.warning("the message of a ticket waits in the outbox: %s", unsent, extra={"ticket_id": ticket.id})


def json_response(
    form: Any, status: HTTPStatus = HTTPStatus.OK, headers: dict[str, str] | None = None
) -> Response:
    """Return a response with the JSON of a form."""
    return Response(msgspec.json.encode(form), status, headers, "application/json")
