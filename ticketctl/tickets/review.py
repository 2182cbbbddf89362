"""Reviews: a person corrects, approves or rejects what the pipeline wrote, and no later run overwrites it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn, Protocol

import msgspec

from ticketctl.errors import InvalidInputError
from ticketctl.tickets import service
from ticketctl.tickets.filters import TicketFilter
from ticketctl.tickets.models import (
    BODY_LIMIT,
    Classification,
    Extraction,
    Step,
    Ticket,
    TicketDetails,
    apply_human_edits,
)
from ticketctl.tickets.protocols import Router, TicketStore
from ticketctl.tickets.statuses import TicketStatus


class ReviewStore(Protocol):
    """Stores the decisions of reviewers. Every write is one statement. All methods raise DatabaseError."""

    async def set(self, ticket_id: int, values: Mapping[str, str], *, routed: str | None) -> Ticket | None:
        """Set fields and mark them as set by a person. Return None if there is no such ticket.

        `routed` is the team that the routing rules choose for the new values. The store ignores it if a person
        set the team, or while a worker processes the ticket: the worker routes the ticket itself.
        """

    async def approve(self, ticket_id: int) -> Ticket | None:
        """Mark all current values as set by a person. Return None unless the pipeline has finished the ticket."""

    async def reject(self, ticket_id: int, reason: str | None) -> Ticket | None:
        """Delete the draft for good. Return None unless the pipeline has finished the ticket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewService:
    """What a reviewer does with tickets, over the stores of one event loop. All methods raise DatabaseError.

    `allowed` lists the values of each field that has a fixed set of values.
    """

    tickets: TicketStore
    reviews: ReviewStore
    router: Router
    allowed: Mapping[str, Sequence[str]]

    async def list_waiting(self, limit: int) -> list[TicketDetails]:
        """Return tickets that need a review, the oldest first. Raise InvalidInputError for a limit out of range."""
        wanted = TicketFilter(status=(TicketStatus.NEEDS_REVIEW,))
        page = await service.list_tickets(self.tickets, wanted, sort="created", limit=limit)
        found = [await self.tickets.get_details(ticket.id) for ticket in page.tickets]
        return [details for details in found if details is not None]

    async def set(self, ticket_id: int, values: Mapping[str, str]) -> Ticket:
        """Set fields. The routing rules then choose the team again, unless a person set it.

        Raises:
            NotFoundError: There is no such ticket.
            InvalidInputError: There are no values, or a field cannot have its value.
        """
        self._check(values)
        details = await service.show(self.tickets, ticket_id)
        ticket = await self.reviews.set(ticket_id, values, routed=self._routed(details, values))
        return ticket or (await service.show(self.tickets, ticket_id)).ticket

    async def approve(self, ticket_id: int) -> Ticket:
        """Mark all current values as set by a person and the ticket as processed.

        Raises:
            NotFoundError: There is no such ticket.
            InvalidInputError: There is nothing to review: the pipeline has not finished the ticket, or it is closed.
        """
        return await self.reviews.approve(
            service.require_id(ticket_id)
        ) or await self._raise_nothing_to_review(ticket_id)

    async def reject(self, ticket_id: int, reason: str | None = None) -> Ticket:
        """Delete the draft, so that no later run writes another, and mark the ticket as processed. Raise as `approve`."""
        service.check_text("reason", reason, limit=service.FILTER_LIMIT)
        return await self.reviews.reject(
            service.require_id(ticket_id), reason
        ) or await self._raise_nothing_to_review(ticket_id)

    async def _raise_nothing_to_review(self, ticket_id: int) -> NoReturn:
        ticket = (await service.show(self.tickets, ticket_id)).ticket
        hint = (
            "nothing is left to do" if ticket.status is TicketStatus.CLOSED else "ticketctl work processes it"
        )
        raise InvalidInputError(
            f"ticket {ticket_id} is {ticket.status}: there is nothing to review", hint=hint
        )

    def _routed(self, details: TicketDetails, values: Mapping[str, str]) -> str | None:
        if not values.keys() - {"team", "draft"}:
            return None  # no routing rule looks at the team or the draft
        changed = replace(
            details.ticket,
            set_by_human=[*details.ticket.set_by_human, *values],
            **values,  # type: ignore[arg-type] # _check has checked the names
        )
        analysis = read_analysis(replace(details, ticket=changed))
        return None if analysis is None else self.router.route(*analysis).team

    def _check(self, values: Mapping[str, str]) -> None:
        if not values:
            raise InvalidInputError("there is nothing to set", hint="ticketctl set ID --category billing")
        for name, value in values.items():
            if name == "draft":
                _check_draft(value)
            elif name == "language":
                _check_language(value)
            elif value not in self.allowed[name]:
                raise InvalidInputError(
                    f"there is no {name} {value!r}",
                    hint=f"the taxonomy has: {', '.join(self.allowed[name])}",
                )


def read_analysis(details: TicketDetails) -> tuple[Classification, Extraction] | None:
    """Return the saved outputs of the first two steps, with a person's edits applied; None if one is missing."""
    outputs = {record.step: record.output for record in details.steps}
    if not {Step.CLASSIFY, Step.EXTRACT} <= outputs.keys():
        return None
    classification = msgspec.convert(outputs[Step.CLASSIFY], Classification)
    extraction = msgspec.convert(outputs[Step.EXTRACT], Extraction)
    return apply_human_edits(classification, details.ticket), extraction


def list_review_reasons(details: TicketDetails) -> Sequence[str]:
    """Return the steps' reasons for a review, without those that a person has settled since."""
    settled = {Step.CLASSIFY: "category", Step.RESPOND: "draft"}
    return [
        reason
        for record in details.steps
        if settled.get(record.step) not in details.ticket.set_by_human
        for reason in record.output.get("review", ())
    ]


def _check_draft(text: str) -> None:
    service.check_text("draft", text, limit=BODY_LIMIT)
    if not text.strip():
        raise InvalidInputError("the draft is empty", hint="ticketctl reject ID drops a draft")


def _check_language(code: str) -> None:
    if not re.fullmatch(r"[a-z]{2,3}", code):
        raise InvalidInputError(f"there is no language {code!r}", hint="use an ISO 639 code: en, de, und")
