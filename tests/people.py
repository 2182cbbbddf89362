"""A person who decides on one ticket at a time, for tests that look at one ticket."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ticketctl.tickets import decisions
from ticketctl.tickets.decisions import Decision, DecisionStore, Outcome
from ticketctl.tickets.history import Actor
from ticketctl.tickets.models import Ticket, TicketDetails
from ticketctl.tickets.review import ReviewService

BY = Actor.person("ada")


@dataclass(frozen=True)
class Reviewer:
    """Calls the service of reviewers for one ticket; returns the ticket, or raises why it could not be changed."""

    service: ReviewService

    async def set(self, ticket_id: int, values: Mapping[str, str]) -> Ticket:
        return self._one(await self.service.set([ticket_id], values, by=BY))

    async def approve(self, ticket_id: int) -> Ticket:
        return self._one(await self.service.approve([ticket_id], by=BY))

    async def reject(self, ticket_id: int, reason: str | None = None) -> Ticket:
        return self._one(await self.service.reject([ticket_id], reason, by=BY))

    async def redraft(self, ticket_id: int) -> Ticket:
        return self._one(await self.service.redraft([ticket_id], by=BY))

    async def list_waiting(self, limit: int) -> list[TicketDetails]:
        return await self.service.list_waiting(limit)

    def _one(self, outcomes: list[Outcome]) -> Ticket:
        return decisions.get_ticket(outcomes)


async def close(store: DecisionStore, ticket_id: int) -> Ticket | None:
    """Close a ticket; None if there is none."""
    decided = await store.apply(Decision(action="close"), [ticket_id], by=BY)
    return decided[ticket_id].ticket if ticket_id in decided else None


async def retry(store: DecisionStore, ticket_ids: Sequence[int]) -> list[int]:
    """Retry tickets and return those that were queued."""
    decided = await store.apply(Decision(action="retry"), ticket_ids, by=BY)
    return [ticket_id for ticket_id, one in decided.items() if one.is_changed]
