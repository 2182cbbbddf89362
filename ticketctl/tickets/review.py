"""Reviews: a person corrects, approves or rejects what the pipeline wrote, and no later run overwrites it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec

from ticketctl.errors import InvalidInputError
from ticketctl.tickets import decisions, service
from ticketctl.tickets.decisions import BATCH, Decision, DecisionStore, Outcome
from ticketctl.tickets.filters import TicketFilter
from ticketctl.tickets.history import Actor
from ticketctl.tickets.models import (
    BODY_LIMIT,
    LARGEST_ID,
    Classification,
    Extraction,
    Step,
    TicketDetails,
    apply_human_edits,
)
from ticketctl.tickets.protocols import Router, TicketStore
from ticketctl.tickets.statuses import TicketStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewService:
    """What a reviewer does with tickets, over the stores of one event loop. All methods raise DatabaseError.

    `allowed` lists the values of each field that has a fixed set of values.
    """

    tickets: TicketStore
    decisions: DecisionStore
    router: Router
    allowed: Mapping[str, Sequence[str]]

    async def list_waiting(self, limit: int) -> list[TicketDetails]:
        """Return tickets that need a review, the oldest first. Raise InvalidInputError for a limit out of range."""
        wanted = TicketFilter(status=(TicketStatus.NEEDS_REVIEW,))
        page = await service.list_tickets(self.tickets, wanted, sort="created", limit=limit)
        found = [await self.tickets.get_details(ticket.id) for ticket in page.tickets]
        return [details for details in found if details is not None]

    async def set(
        self,
        ticket_ids: Sequence[int],
        values: Mapping[str, str],
        *,
        by: Actor,
        seen: datetime | None = None,
    ) -> list[Outcome]:
        """Set fields. The routing rules then choose the teams again, unless a person set them.

        Raises:
            InvalidInputError: There are no values, or a field cannot have its value.
        """
        self._check(values)
        outcomes = []
        for start in range(0, len(ticket_ids), BATCH):
            part = ticket_ids[start : start + BATCH]
            decision = Decision(action="set", values=values, routed=await self._route(part, values))
            outcomes += await decisions.apply(self.decisions, decision, part, by=by, seen=seen)
        return outcomes

    async def approve(
        self, ticket_ids: Sequence[int], *, by: Actor, seen: datetime | None = None
    ) -> list[Outcome]:
        """Mark all current values as set by a person and the tickets as processed.

        Tickets that the pipeline has not finished, and closed ones, stay as they are.
        """
        return await decisions.apply(self.decisions, Decision(action="approve"), ticket_ids, by=by, seen=seen)

    async def reject(
        self,
        ticket_ids: Sequence[int],
        reason: str | None = None,
        *,
        by: Actor,
        seen: datetime | None = None,
    ) -> list[Outcome]:
        """Delete the drafts, so that no later run writes others, and mark the tickets as processed. As `approve`.

        Raises:
            InvalidInputError: The reason is too long.
        """
        service.check_text("reason", reason, limit=service.FILTER_LIMIT)
        decision = Decision(action="reject", note=reason)
        return await decisions.apply(self.decisions, decision, ticket_ids, by=by, seen=seen)

    async def _route(self, ticket_ids: Sequence[int], values: Mapping[str, str]) -> dict[int, str]:
        """Return the teams that the routing rules choose for the new values, by ticket id."""
        if not values.keys() - {"team", "draft"}:
            return {}  # no routing rule looks at the team or the draft
        possible = [ticket_id for ticket_id in ticket_ids if 1 <= ticket_id <= LARGEST_ID]
        routed = {}
        for details in await self.tickets.list_analyses(possible):
            team = self._routed(details, values)
            if team is not None:
                routed[details.ticket.id] = team
        return routed

    def _routed(self, details: TicketDetails, values: Mapping[str, str]) -> str | None:
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
