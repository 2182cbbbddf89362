"""The API's undo of an operation: what one command or request of a person changed on several tickets."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Path, Response

from ticketctl.api.caller import By
from ticketctl.api.openapi_examples import document_response
from ticketctl.api.problems import document_responses
from ticketctl.api.resources import BoundedRoute, Opened, json_response
from ticketctl.errors import ConflictError
from ticketctl.tickets import undo
from ticketctl.tickets.decisions import BATCH
from ticketctl.tickets.history import Operation
from ticketctl.tickets.models import LARGEST_ID

router = APIRouter(route_class=BoundedRoute, prefix="/operations/{operation}", tags=["tickets"])

OperationNumber = Annotated[
    int,
    Path(
        description="The number that the history of a ticket shows.",
        json_schema_extra={"minimum": 1, "maximum": LARGEST_ID},
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoResult:
    """What became of one ticket; `error` says why its change stays."""

    id: int
    outcome: str
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoneOperation:
    """What an undo did. `operation` is its own number, null if nothing changed; `actor` made the changes."""

    operation: int | None
    actor: str
    results: list[UndoResult]


@router.post(
    "/undo",
    summary="Undo an operation",
    response_description="What became of each ticket.",
    responses={200: document_response(UndoneOperation), **document_responses(404, 409, 422)},
)
async def undo_operation(operation: OperationNumber, resources: Opened, by: By) -> Response:
    """Take back what one command changed, except on tickets that were changed since. At most 500 tickets, else 409."""
    changed = await undo.get_operation(resources.decisions, operation)
    if len(changed.ticket_ids) > BATCH:
        raise ConflictError(
            f"operation {operation} changed {len(changed.ticket_ids):,} tickets: more than {BATCH}",
            hint=f"ticketctl undo --operation {operation} takes any number of them back",
        )
    own = Operation()
    outcomes = await undo.undo_operation(resources.decisions, changed, by=by.actor, operation=own)
    await resources.try_flush()
    results = [
        UndoResult(id=one.id, outcome=one.outcome, error=None if one.error is None else str(one.error))
        for one in outcomes
    ]
    number = own.id if own.changed else None
    return json_response(UndoneOperation(operation=number, actor=changed.actor, results=results))
