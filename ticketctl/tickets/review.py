"""Reviews: a person corrects, approves or rejects what the pipeline wrote, and no later run overwrites it."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import msgspec

from ticketctl.errors import ConflictError, InvalidInputError, TicketctlError
from ticketctl.tickets import decisions, service
from ticketctl.tickets.decisions import BATCH, Decision, DecisionStore, Outcome
from ticketctl.tickets.filters import TicketFilter
from ticketctl.tickets.history import Actor, Operation
from ticketctl.tickets.models import (
    BODY_LIMIT,
    LARGEST_ID,
    TICKET_KIND,
    Classification,
    Draft,
    Extraction,
    Route,
    Step,
    Ticket,
    TicketDetails,
    apply_human_edits,
)
from ticketctl.tickets.protocols import Router, TicketStore
from ticketctl.tickets.statuses import TicketStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewService:
    """What a reviewer does with tickets, over the stores of one event loop. All methods raise DatabaseError.

    `allowed` lists the values of each field that has a fixed set of values; `fill_draft` fills a reply template.
    """

    tickets: TicketStore
    decisions: DecisionStore
    router: Router
    allowed: Mapping[str, Sequence[str]]
    fill_draft: Callable[[Ticket, Classification, Extraction, Route], Draft]

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
        operation: Operation | None = None,
    ) -> list[Outcome]:
        """Set fields. The routing rules then choose the teams again, unless a person set them.

        Raises:
            InvalidInputError: There are no values, or a field cannot have its value.
        """
        self._check(values)
        outcomes, operation = [], operation or Operation()
        for start in range(0, len(ticket_ids), BATCH):
            part = ticket_ids[start : start + BATCH]
            decision = Decision(action="set", values=values, routed=await self._route(part, values))
            outcomes += await decisions.apply(
                self.decisions, decision, part, by=by, seen=seen, operation=operation
            )
        return outcomes

    async def approve(
        self,
        ticket_ids: Sequence[int],
        *,
        by: Actor,
        seen: datetime | None = None,
        operation: Operation | None = None,
    ) -> list[Outcome]:
        """Mark all current values as set by a person and the tickets as processed.

        Tickets that the pipeline has not finished, and closed ones, stay as they are.
        """
        decision = Decision(action="approve")
        return await decisions.apply(
            self.decisions, decision, ticket_ids, by=by, seen=seen, operation=operation
        )

    async def reject(
        self,
        ticket_ids: Sequence[int],
        reason: str | None = None,
        *,
        by: Actor,
        seen: datetime | None = None,
        operation: Operation | None = None,
    ) -> list[Outcome]:
        """Delete the drafts, so that no later run writes others, and mark the tickets as processed. As `approve`.

        Raises:
            InvalidInputError: The reason is too long.
        """
        service.check_text("reason", reason, limit=service.FILTER_LIMIT)
        decision = Decision(action="reject", note=reason)
        return await decisions.apply(
            self.decisions, decision, ticket_ids, by=by, seen=seen, operation=operation
        )

    async def redraft(
        self,
        ticket_ids: Sequence[int],
        *,
        by: Actor,
        seen: datetime | None = None,
        operation: Operation | None = None,
    ) -> list[Outcome]:
        """Replace the drafts of processed tickets by the templates that fit the tickets' fields as they are now."""
        outcomes, operation = [], operation or Operation()
        for start in range(0, len(ticket_ids), BATCH):
            part = ticket_ids[start : start + BATCH]
            possible = [ticket_id for ticket_id in part if 1 <= ticket_id <= LARGEST_ID]
            analyses = await self.tickets.list_analyses(possible)
            filled = {details.ticket.id: self._fill_draft(details) for details in analyses}
            drafts = {ticket_id: one for ticket_id, one in filled.items() if isinstance(one, str)}
            decided = await decisions.apply(
                self.decisions,
                Decision(action="redraft", drafts=drafts),
                list(drafts),
                by=by,
                seen=seen,
                operation=operation,
            )
            by_id = {outcome.id: outcome for outcome in decided}
            outcomes += [by_id.get(one) or _undrafted(one, filled.get(one)) for one in part]
        return outcomes

    def _fill_draft(self, details: TicketDetails) -> str | TicketctlError:
        """Return the draft from the template, or why there is none."""
        ticket, analysis = details.ticket, read_analysis(details)
        if ticket.status not in decisions.REVIEWABLE or analysis is None:
            return InvalidInputError(
                f"ticket {ticket.id} is {ticket.status}: there is no draft to replace",
                hint="ticketctl work drafts the replies of new tickets",
            )
        if "draft" in ticket.set_by_human:
            return ConflictError(
                f"a person decided on the draft of ticket {ticket.id}",
                hint=f"ticketctl set {ticket.id} --draft-file FILE replaces it",
            )
        route = self.router.route(*analysis)
        draft = self.fill_draft(ticket, *analysis, replace(route, team=ticket.team or route.team))
        if analysis[0].kind != TICKET_KIND or not draft.text:
            return ConflictError(
                f"no reply template fits ticket {ticket.id}",
                hint=f"ticketctl set {ticket.id} --category NAME, or --draft-file FILE",
            )
        return draft.text

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


def _undrafted(ticket_id: int, error: str | TicketctlError | None) -> Outcome:
    if not isinstance(error, TicketctlError):
        error = service.no_ticket(ticket_id)
    return Outcome(id=ticket_id, outcome="unchanged", error=error)


def read_analysis(details: TicketDetails) -> tuple[Classification, Extraction] | None:
    """Return the saved outputs of the first two steps, with a person's edits applied; None if one is missing."""
    outputs = {record.step: record.output for record in details.steps}
    if not {Step.CLASSIFY, Step.EXTRACT} <= outputs.keys():
        return None
    classification = msgspec.convert(outputs[Step.CLASSIFY], Classification)
    extraction = msgspec.convert(outputs[Step.EXTRACT], Extraction)
    return apply_human_edits(classification, details.ticket), extraction


def list_review_reasons(details: TicketDetails) -> Sequence[str]:
    """Return the steps' reasons for a review, without those that a person has settled since.

    The reasons of the last step are about the draft that it wrote: a draft that replaced it has none.
    """
    settled = {Step.CLASSIFY: "category", Step.RESPOND: "draft"}
    return [
        reason
        for record in details.steps
        if settled.get(record.step) not in details.ticket.set_by_human
        and (record.step is not Step.RESPOND or _is_current(details.ticket, record.output))
        for reason in record.output.get("review", ())
    ]


def _is_current(ticket: Ticket, output: Mapping[str, Any]) -> bool:
    """Return whether a ticket has the draft of this output still; an output without a text says nothing about it."""
    return output.get("text", ticket.draft) in {ticket.draft, ticket.draft or ""}


def _check_draft(text: str) -> None:
    service.check_text("draft", text, limit=BODY_LIMIT)
    if not text.strip():
        raise InvalidInputError("the draft is empty", hint="ticketctl reject ID drops a draft")


def _check_language(code: str) -> None:
    if not re.fullmatch(r"[a-z]{2,3}", code):
        raise InvalidInputError(f"there is no language {code!r}", hint="use an ISO 639 code: en, de, und")
