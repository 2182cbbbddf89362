"""Take back what people did: the last change of one ticket, or all changes of one command."""

from collections.abc import Mapping
from datetime import datetime

from ticketctl.errors import ConflictError, NotFoundError, TicketctlError
from ticketctl.tickets import service
from ticketctl.tickets.decisions import (
    BATCH,
    ChangedTickets,
    DecisionStore,
    Outcome,
    Undone,
    changed_meanwhile,
)
from ticketctl.tickets.history import Actor, Operation
from ticketctl.tickets.models import LARGEST_ID, Ticket

_UNDO = "undo"


async def undo_last(
    store: DecisionStore, ticket_id: int, *, by: Actor, seen: datetime | None = None
) -> tuple[Ticket, str]:
    """Take back the last change that a person made; return the ticket and the action that was undone.

    Raises:
        NotFoundError: There is no such ticket.
        ConflictError: The last change is a worker's, or there is none.
    """
    results = await store.undo([service.require_id(ticket_id)], by=by, seen=seen)
    if ticket_id not in results:
        raise service.no_ticket(ticket_id)
    undone = results[ticket_id]
    if undone.decided.is_changed and undone.last_action is not None:
        return undone.decided.ticket, undone.last_action
    if undone.overtaken or (seen is not None and undone.decided.updated_before != seen):
        raise changed_meanwhile(ticket_id)
    if undone.last_action is None:
        raise ConflictError(f"ticket {ticket_id} has no change to undo", hint="ticketctl history shows them")
    after = (
        "a worker has taken it since" if undone.is_claimed else f"a {undone.last_kind} has changed it since"
    )
    raise ConflictError(
        f"the last change of ticket {ticket_id} cannot be undone: {after}",
        hint=f"ticketctl history {ticket_id} shows it; ticketctl set corrects fields",
    )


async def get_operation(store: DecisionStore, operation: int) -> ChangedTickets:
    """Return what a command changed.

    Raises:
        NotFoundError: No change has this number.
        ConflictError: The command was an undo itself.
    """
    found = await store.get_operation(operation) if 1 <= operation <= LARGEST_ID else None
    if found is None:
        raise NotFoundError(
            f"there is no operation {operation}", hint="ticketctl history ID shows the operations of a ticket"
        )
    if found.action == _UNDO:
        raise ConflictError(
            f"operation {operation} is an undo, which cannot be undone",
            hint="repeat the command that it took back",
        )
    return found


async def get_last_operation(store: DecisionStore, by: Actor) -> ChangedTickets:
    """Return what a person's last command changed that was not taken back. Raise NotFoundError if there is none."""
    number = await store.find_last_operation(by)
    if number is None:
        raise NotFoundError(
            f"{by.name} has changed no ticket that could be undone",
            hint="ticketctl undo ID, or --operation NUMBER",
        )
    return await get_operation(store, number)


async def undo_operation(
    store: DecisionStore, changed: ChangedTickets, *, by: Actor, operation: Operation | None = None
) -> list[Outcome]:
    """Take back the changes of one command, and say what became of each ticket.

    A ticket that somebody, or a worker, changed afterwards stays as it is. Some hundreds of tickets are one statement;
    `operation` is the undo's own.
    """
    outcomes, operation = [], operation or Operation()
    for start in range(0, len(changed.ticket_ids), BATCH):
        part = changed.ticket_ids[start : start + BATCH]
        results = await store.undo(part, by=by, undone=changed.id, operation=operation.id)
        operation.add(one.decided for one in results.values())
        outcomes += [_to_outcome(ticket_id, results) for ticket_id in part]
    return outcomes


def _to_outcome(ticket_id: int, results: Mapping[int, Undone]) -> Outcome:
    undone = results.get(ticket_id)
    if undone is None:
        return Outcome(id=ticket_id, outcome="unchanged", error=service.no_ticket(ticket_id))
    if undone.decided.is_changed:
        return Outcome(id=ticket_id, outcome="undone", is_changed=True, ticket=undone.decided.ticket)
    if undone.was_undone:
        return Outcome(id=ticket_id, outcome="already undone", ticket=undone.decided.ticket)
    return Outcome(id=ticket_id, outcome="unchanged", error=_explain(ticket_id, undone))


def _explain(ticket_id: int, undone: Undone) -> TicketctlError:
    """Return why the change of an operation stays: something happened to the ticket after it."""
    if undone.overtaken:
        return changed_meanwhile(ticket_id)
    what = "a worker has taken it"
    if not undone.is_claimed:
        what = f"{undone.last_action} by {undone.last_kind} {undone.last_actor}"
    return ConflictError(
        f"ticket {ticket_id} was changed since: {what}",
        hint=f"ticketctl history {ticket_id} shows the change",
    )
