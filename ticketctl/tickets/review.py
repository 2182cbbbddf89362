"""What a person says of a ticket: their word is marked as theirs, and no run ever overwrites it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

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

FIELDS = ("category", "priority", "sentiment", "language", "team", "draft")
"""What a person may set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedValues:
    """The words that a ticket may have."""

    category: tuple[str, ...]
    priority: tuple[str, ...]
    sentiment: tuple[str, ...]
    team: tuple[str, ...]


class ReviewStore(Protocol):
    """Keeps what a person said. Every write is one statement. All raise DatabaseError."""

    async def set(self, ticket_id: int, values: Mapping[str, str], *, routed: str | None) -> Ticket | None:
        """Set fields and mark them as a human's; None where there is no such ticket.

        `routed` is the team that the rules choose now: it counts unless a human set the team, or a run is
        under way, which routes by itself.
        """

    async def approve(self, ticket_id: int) -> Ticket | None:
        """Mark all that there is as a human's word; None where no run of the ticket has ended well."""

    async def reject(self, ticket_id: int, reason: str | None) -> Ticket | None:
        """Drop the draft for good; None where no run of the ticket has ended well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewService:
    """Where a person reviews tickets, over one event loop's stores. All calls raise DatabaseError."""

    tickets: TicketStore
    reviews: ReviewStore
    router: Router
    allowed: AllowedValues

    async def list_waiting(self, limit: int) -> list[TicketDetails]:
        """Tickets that need a review, the oldest first. Raises InvalidInputError for a limit out of range."""
        wanted = TicketFilter(status=TicketStatus.NEEDS_REVIEW)
        page = await service.list_tickets(self.tickets, wanted, sort="created", limit=limit)
        found = [await self.tickets.get_details(ticket.id) for ticket in page.tickets]
        return [details for details in found if details is not None]

    async def set(self, ticket_id: int, values: Mapping[str, str]) -> Ticket:
        """Set fields; the team then follows the rules, unless it is a human's word itself.

        Raises:
            NotFoundError: There is no such ticket.
            InvalidInputError: Nothing is set, or a value is none that the field may have.
        """
        self._check(values)
        details = await service.show(self.tickets, ticket_id)
        ticket = await self.reviews.set(ticket_id, values, routed=self._routed(details, values))
        return ticket or (await service.show(self.tickets, ticket_id)).ticket

    async def approve(self, ticket_id: int) -> Ticket:
        """Take the engine's word as a human's: all that the ticket has is marked so, and it is processed.

        Raises:
            NotFoundError: There is no such ticket.
            InvalidInputError: It is not one to be reviewed: no run of it has ended well, or it is closed.
        """
        return await self.reviews.approve(service.require_id(ticket_id)) or await self._refused(ticket_id)

    async def reject(self, ticket_id: int, reason: str | None = None) -> Ticket:
        """Drop the draft: no run writes another, and the ticket is processed. Raises as `approve`."""
        service.check_text("reason", reason, limit=service.FILTER_LIMIT)
        return await self.reviews.reject(service.require_id(ticket_id), reason) or await self._refused(
            ticket_id
        )

    async def _refused(self, ticket_id: int) -> Ticket:
        ticket = (await service.show(self.tickets, ticket_id)).ticket
        hint = (
            "nothing is left to do" if ticket.status is TicketStatus.CLOSED else "ticketctl work processes it"
        )
        raise InvalidInputError(
            f"ticket {ticket_id} is {ticket.status}: there is nothing to review", hint=hint
        )

    def _routed(self, details: TicketDetails, values: Mapping[str, str]) -> str | None:
        if not values.keys() - {"team", "draft"}:
            return None  # the rules go by the rest
        changed = replace(
            details.ticket,
            set_by_human=[*details.ticket.set_by_human, *values],
            **values,  # type: ignore[arg-type] # the names were checked
        )
        found = read_analysis(replace(details, ticket=changed))
        return None if found is None else self.router.route(*found).team

    def _check(self, values: Mapping[str, str]) -> None:
        if not values:
            raise InvalidInputError("there is nothing to set", hint="ticketctl set ID --category billing")
        for name, value in values.items():
            if name == "draft":
                _check_draft(value)
            elif name == "language":
                _check_language(value)
            elif value not in (known := getattr(self.allowed, name)):
                raise InvalidInputError(
                    f"there is no {name} {value!r}", hint=f"the taxonomy has: {', '.join(known)}"
                )


def read_analysis(details: TicketDetails) -> tuple[Classification, Extraction] | None:
    """What routing goes by: the saved steps, a human's word in place of the engine's; None without any."""
    outputs = {record.step: record.output for record in details.steps}
    if not {Step.CLASSIFY, Step.EXTRACT} <= outputs.keys():
        return None
    classification = msgspec.convert(outputs[Step.CLASSIFY], Classification)
    extraction = msgspec.convert(outputs[Step.EXTRACT], Extraction)
    return apply_human_edits(classification, details.ticket), extraction


def list_review_reasons(details: TicketDetails) -> Sequence[str]:
    """Why the steps asked for a human, in the order of the steps, less what a human has settled since."""
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
        raise InvalidInputError(f"there is no language {code!r}", hint="it is a code of ISO 639: en, de, und")
