from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.fakes import FakeProvider, FakeRouter, FakeStore, new_ticket, pipeline_of
from tests.people import BY, Reviewer
from ticketctl.errors import InvalidInputError, NotFoundError
from ticketctl.tickets import review
from ticketctl.tickets.decisions import Decided, Decision
from ticketctl.tickets.filters import TicketFilter
from ticketctl.tickets.history import Actor
from ticketctl.tickets.messages import TicketMessage
from ticketctl.tickets.models import BODY_LIMIT, Draft, Step, StepRecord, Ticket, TicketDetails
from ticketctl.tickets.protocols import TicketPage
from ticketctl.tickets.review import ReviewService
from ticketctl.tickets.statuses import TicketStatus

ALLOWED = {
    "category": ("billing", "outage"),
    "priority": ("low", "high"),
    "sentiment": ("negative", "neutral", "positive"),
    "team": ("support", "billing team"),
}
CLASSIFIED: dict[str, Any] = {
    "category": "billing",
    "priority": "low",
    "sentiment": "neutral",
    "language": "en",
    "confidence": 0.3,
    "method": "model",
    "review": ["confidence 0.300 is below 0.600"],
}
EXTRACTED: dict[str, Any] = {"entities": [{"kind": "ip", "value": "::1", "start": 0, "end": 3}]}
DRAFTED: dict[str, Any] = {"text": "Hello", "method": "model", "review": ["the provider was away"]}


def step(name: Step, output: dict[str, Any]) -> StepRecord:
    return StepRecord(step=name, output=output, provider="fake", model="m", prompt_hash="h")


def details(ticket: Ticket) -> TicketDetails:
    steps = {Step.CLASSIFY: CLASSIFIED, Step.EXTRACT: EXTRACTED, Step.RESPOND: DRAFTED}
    return TicketDetails(ticket=ticket, steps=[step(name, output) for name, output in steps.items()])


@dataclass
class Tickets(FakeStore):
    """Tickets that a pipeline has read, but for those that are new."""

    async def get_details(self, ticket_id: int) -> TicketDetails | None:
        found = await super().get_details(ticket_id)
        return found if found is None or found.ticket.status is TicketStatus.NEW else details(found.ticket)

    async def list_analyses(self, ticket_ids: Sequence[int]) -> list[TicketDetails]:
        found = [await self.get_details(ticket_id) for ticket_id in ticket_ids]
        return [one for one in found if one is not None]

    async def list(self, wanted: TicketFilter, **order: Any) -> TicketPage:
        assert order["sort"] == "created"
        return await super().list(wanted, **order)


@dataclass
class FakeDecisions:
    """Decides on the tickets of a store as the database does; `reasons` are those of rejections."""

    store: FakeStore
    reasons: dict[int, str | None] = field(default_factory=dict)

    async def apply(
        self,
        decision: Decision,
        ticket_ids: Sequence[int],
        *,
        by: Actor,
        seen: datetime | None = None,
        operation: int | None = None,
    ) -> dict[int, Decided]:
        assert (by, seen, operation) == (BY, None, None)
        known = [ticket_id for ticket_id in ticket_ids if ticket_id in self.store.tickets]
        return {ticket_id: self._decide(decision, ticket_id) for ticket_id in known}

    def _decide(self, decision: Decision, ticket_id: int) -> Decided:
        before = self.store.tickets[ticket_id]
        values: dict[str, Any] = {**decision.values}
        if decision.action == "set":
            team = values.get("team") or decision.routed.get(ticket_id) or before.team
            values |= {"team": team, "set_by_human": sorted(values)}
        elif before.status not in {TicketStatus.NEEDS_REVIEW, TicketStatus.PROCESSED}:
            return Decided(
                before, is_changed=False, status_before=before.status, updated_before=before.updated_at
            )
        else:
            values["status"] = TicketStatus.PROCESSED
        if decision.action == "reject":
            self.reasons[ticket_id] = decision.note
            values["draft"] = None
        self.store.change(ticket_id, **values)
        return Decided(
            self.store.tickets[ticket_id],
            is_changed=True,
            status_before=before.status,
            updated_before=before.updated_at,
        )


@pytest.fixture
def store() -> Tickets:
    made = Tickets.of(1, 2, 3)
    made.change(1, status=TicketStatus.NEEDS_REVIEW, category="billing", team="billing team", draft="Hello")
    made.change(2, status=TicketStatus.CLOSED)
    return made


@pytest.fixture
def reviews(store: Tickets) -> FakeDecisions:
    return FakeDecisions(store)


@pytest.fixture
def service(store: Tickets, reviews: FakeDecisions) -> Reviewer:
    return Reviewer(
        ReviewService(
            tickets=store,
            decisions=reviews,  # type: ignore[arg-type] # reviewers neither undo nor read the history
            router=FakeRouter(),
            allowed=ALLOWED,
            fill_draft=lambda *_: Draft(text="", method="none"),
        )
    )


@pytest.mark.parametrize(
    ("values", "team"),
    [
        ({"category": "outage"}, "outage team"),
        ({"category": "outage", "team": "support"}, "support"),
        ({"priority": "high"}, "billing team"),
        ({"sentiment": "negative"}, "billing team"),
        ({"language": "und"}, "billing team"),
        ({"team": "support"}, "support"),
        ({"draft": "é" * BODY_LIMIT}, "billing team"),
    ],
)
async def test_edits_are_stored_and_the_rules_choose_the_team(
    service: Reviewer, values: dict[str, str], team: str
) -> None:
    ticket = await service.set(1, values)
    assert {name: getattr(ticket, name) for name in values} == values
    assert (ticket.team, ticket.set_by_human) == (team, sorted(values))


async def test_a_ticket_without_saved_steps_gets_no_team(service: Reviewer) -> None:
    ticket = await service.set(3, {"category": "outage"})
    assert (ticket.category, ticket.team) == ("outage", None)


@pytest.mark.parametrize(
    ("values", "complaint", "hint"),
    [
        ({}, "nothing to set", "--category"),
        ({"category": "Billing"}, "no category 'Billing'", "billing, outage"),
        ({"priority": ""}, "no priority ''", "low, high"),
        ({"team": "nobody"}, "no team 'nobody'", "support, billing team"),
        ({"sentiment": "fine"}, "no sentiment 'fine'", "neutral"),
        ({"language": "English"}, "no language 'English'", "ISO 639"),
        ({"language": "e\n"}, "no language", "ISO 639"),
        ({"draft": " \n"}, "the draft is empty", "reject"),
        ({"draft": "a\0"}, "NUL", "remove it"),
        ({"draft": "a" * (BODY_LIMIT + 1)}, "200,001 characters", "200,000"),
        ({"category": "outage", "team": "nobody"}, "no team", "support"),
    ],
)
async def test_an_invalid_value_changes_nothing(
    service: Reviewer, store: Tickets, values: dict[str, str], complaint: str, hint: str
) -> None:
    before = store.tickets[1]
    with pytest.raises(InvalidInputError, match=complaint) as raised:
        await service.set(1, values)
    assert hint in str(raised.value.hint)
    assert store.tickets[1] == before


@pytest.mark.parametrize("ticket_id", [4, 0, -1, 2**63])
async def test_an_unknown_ticket_is_not_found(service: Reviewer, ticket_id: int) -> None:
    for call in (
        service.set(ticket_id, {"team": "support"}),
        service.approve(ticket_id),
        service.reject(ticket_id),
    ):
        with pytest.raises(NotFoundError):
            await call


async def test_an_approved_ticket_is_processed_and_keeps_its_draft(service: Reviewer) -> None:
    ticket = await service.approve(1)
    assert (ticket.status, ticket.draft) == (TicketStatus.PROCESSED, "Hello")


@pytest.mark.parametrize("reason", [None, "too long"])
async def test_a_rejected_draft_is_deleted_and_its_reason_stored(
    service: Reviewer, reviews: FakeDecisions, reason: str | None
) -> None:
    ticket = await service.reject(1, reason)
    assert (ticket.status, ticket.draft, reviews.reasons) == (TicketStatus.PROCESSED, None, {1: reason})


@pytest.mark.parametrize(
    ("ticket_id", "complaint"),
    [(3, "ticket 3 is new: there is nothing to review"), (2, "ticket 2 is closed")],
)
async def test_only_a_processed_ticket_can_be_reviewed(
    service: Reviewer, ticket_id: int, complaint: str
) -> None:
    for call in (service.approve(ticket_id), service.reject(ticket_id)):
        with pytest.raises(InvalidInputError, match=complaint) as raised:
            await call
        assert raised.value.hint


async def test_an_invalid_reason_rejects_nothing(service: Reviewer, reviews: FakeDecisions) -> None:
    for reason in ("a\0", "a" * 1001):
        with pytest.raises(InvalidInputError, match="the reason"):
            await service.reject(1, reason)
    assert reviews.reasons == {}


async def test_tickets_that_need_a_review_are_waiting(service: Reviewer) -> None:
    assert [found.ticket.id for found in await service.list_waiting(20)] == [1]
    with pytest.raises(InvalidInputError, match="1001"):
        await service.list_waiting(1001)


def test_an_edit_removes_the_reasons_of_its_step() -> None:
    ticket = replace(new_ticket(1), draft="Hello")
    doubt, away = CLASSIFIED["review"][0], DRAFTED["review"][0]
    assert review.list_review_reasons(details(ticket)) == [doubt, away]
    assert review.list_review_reasons(details(replace(ticket, set_by_human=["category"]))) == [away]
    assert review.list_review_reasons(details(replace(ticket, set_by_human=["draft"]))) == [doubt]
    assert review.list_review_reasons(TicketDetails(ticket=ticket)) == []


def test_a_draft_that_was_replaced_has_no_reasons_of_the_one_before() -> None:
    ticket = replace(new_ticket(1), draft="Dear Ada")
    assert review.list_review_reasons(details(ticket)) == CLASSIFIED["review"]


def test_the_analysis_contains_edits() -> None:
    found = review.read_analysis(
        details(replace(new_ticket(1), category="outage", set_by_human=["category"]))
    )
    assert found is not None
    classification, extraction = found
    assert (classification.category, classification.confidence, classification.priority) == (
        "outage",
        1.0,
        "low",
    )
    assert [entity.kind for entity in extraction.entities] == ["ip"]
    assert review.read_analysis(TicketDetails(ticket=new_ticket(1))) is None


async def run(store: FakeStore, provider: FakeProvider) -> TicketStatus:
    token = uuid4()
    message = TicketMessage(message_id="m", ticket_id=1)
    claims = await store.claim([message], token=token, lease=timedelta(minutes=1), environment_id="e")
    claimed = claims[1].ticket
    assert claimed is not None
    return await pipeline_of(store, provider).run(claimed, claims[1], token)


async def test_a_category_set_by_a_person_needs_no_review() -> None:
    store, provider = FakeStore.of(1), FakeProvider(review=("it may be anything",))
    store.change(1, category="outage", set_by_human=["category"])
    assert await run(store, provider) is TicketStatus.PROCESSED
    [classification] = provider.classifications
    assert (classification.category, classification.confidence, classification.review) == ("outage", 1.0, ())


async def test_reasons_for_a_review_stay_if_a_person_set_another_field() -> None:
    store, provider = FakeStore.of(1), FakeProvider(review=("it may be anything",))
    store.change(1, priority="high", set_by_human=["priority"])
    assert await run(store, provider) is TicketStatus.NEEDS_REVIEW


@pytest.mark.parametrize("draft", ["Dear Ada", None])
async def test_no_draft_is_asked_for_if_a_person_wrote_or_rejected_it(draft: str | None) -> None:
    store, provider = FakeStore.of(1), FakeProvider(local=False)
    store.change(1, draft=draft, set_by_human=["draft"])
    await run(store, provider)
    assert {step for _, step in provider.asked} == {Step.CLASSIFY, Step.EXTRACT}
