from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.fakes import FakeProvider, FakeRouter, FakeStore, new_ticket, pipeline_of
from ticketctl.errors import InvalidInputError, NotFoundError
from ticketctl.tickets import review
from ticketctl.tickets.filters import TicketFilter
from ticketctl.tickets.messages import TicketMessage
from ticketctl.tickets.models import BODY_LIMIT, Step, StepRecord, Ticket, TicketDetails
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

    async def list(self, wanted: TicketFilter, **order: Any) -> TicketPage:
        assert order["sort"] == "created"
        return await super().list(wanted, **order)


@dataclass
class Said:
    """Keeps what was said; answers with a ticket, or None where `refusing`."""

    refusing: bool = False
    calls: list[tuple[Any, ...]] = field(default_factory=list)

    async def set(self, ticket_id: int, values: Mapping[str, str], *, routed: str | None) -> Ticket | None:
        return self._answer("set", ticket_id, dict(values), routed)

    async def approve(self, ticket_id: int) -> Ticket | None:
        return self._answer("approve", ticket_id)

    async def reject(self, ticket_id: int, reason: str | None) -> Ticket | None:
        return self._answer("reject", ticket_id, reason)

    def _answer(self, *call: Any) -> Ticket | None:
        self.calls.append(call)
        return None if self.refusing else new_ticket(call[1])


@pytest.fixture
def store() -> Tickets:
    made = Tickets.of(1, 2, 3)
    made.change(1, status=TicketStatus.NEEDS_REVIEW, category="billing", team="billing team")
    made.change(2, status=TicketStatus.CLOSED)
    return made


@pytest.fixture
def said() -> Said:
    return Said()


@pytest.fixture
def service(store: Tickets, said: Said) -> ReviewService:
    return ReviewService(tickets=store, reviews=said, router=FakeRouter(), allowed=ALLOWED)


@pytest.mark.parametrize(
    ("values", "routed"),
    [
        ({"category": "outage"}, "outage team"),
        ({"category": "outage", "team": "support"}, "outage team"),
        ({"priority": "high"}, "billing team"),
        ({"sentiment": "negative"}, "billing team"),
        ({"language": "und"}, "billing team"),
        ({"team": "support"}, None),
        ({"draft": "é" * BODY_LIMIT}, None),
    ],
)
async def test_what_is_set_is_kept_and_the_team_follows_the_rules(
    service: ReviewService, said: Said, values: dict[str, str], routed: str | None
) -> None:
    await service.set(1, values)
    assert said.calls == [("set", 1, values, routed)]


async def test_a_ticket_that_nobody_has_read_gets_no_team(service: ReviewService, said: Said) -> None:
    await service.set(3, {"category": "outage"})
    assert said.calls == [("set", 3, {"category": "outage"}, None)]


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
async def test_nothing_else_than_the_vocabulary_is_kept(
    service: ReviewService, said: Said, values: dict[str, str], complaint: str, hint: str
) -> None:
    with pytest.raises(InvalidInputError, match=complaint) as raised:
        await service.set(1, values)
    assert hint in str(raised.value.hint)
    assert said.calls == []


@pytest.mark.parametrize("ticket_id", [4, 0, -1, 2**63])
async def test_a_ticket_that_is_not_there(service: ReviewService, said: Said, ticket_id: int) -> None:
    said.refusing = True
    for call in (
        service.set(ticket_id, {"team": "support"}),
        service.approve(ticket_id),
        service.reject(ticket_id),
    ):
        with pytest.raises(NotFoundError):
            await call


async def test_a_verdict_is_passed_on(service: ReviewService, said: Said) -> None:
    await service.approve(1)
    await service.reject(1)
    await service.reject(1, "too long")
    assert said.calls == [("approve", 1), ("reject", 1, None), ("reject", 1, "too long")]


@pytest.mark.parametrize(
    ("ticket_id", "complaint"),
    [(3, "ticket 3 is new: there is nothing to review"), (2, "ticket 2 is closed")],
)
async def test_only_a_run_that_ended_well_can_be_judged(
    service: ReviewService, said: Said, ticket_id: int, complaint: str
) -> None:
    said.refusing = True
    for call in (service.approve(ticket_id), service.reject(ticket_id)):
        with pytest.raises(InvalidInputError, match=complaint) as raised:
            await call
        assert raised.value.hint


async def test_a_reason_that_cannot_be_kept(service: ReviewService, said: Said) -> None:
    for reason in ("a\0", "a" * 1001):
        with pytest.raises(InvalidInputError, match="the reason"):
            await service.reject(1, reason)
    assert said.calls == []


async def test_what_waits_is_what_needs_a_review(service: ReviewService) -> None:
    assert [found.ticket.id for found in await service.list_waiting(20)] == [1]
    with pytest.raises(InvalidInputError, match="1001"):
        await service.list_waiting(1001)


def test_what_a_human_has_settled_is_no_reason_any_more() -> None:
    ticket = new_ticket(1)
    doubt, away = CLASSIFIED["review"][0], DRAFTED["review"][0]
    assert review.list_review_reasons(details(ticket)) == [doubt, away]
    assert review.list_review_reasons(details(replace(ticket, set_by_human=["category"]))) == [away]
    assert review.list_review_reasons(details(replace(ticket, set_by_human=["draft"]))) == [doubt]
    assert review.list_review_reasons(TicketDetails(ticket=ticket)) == []


def test_routing_goes_by_the_word_of_a_human() -> None:
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


async def test_nobody_doubts_the_category_of_a_human() -> None:
    store, provider = FakeStore.of(1), FakeProvider(review=("it may be anything",))
    store.change(1, category="outage", set_by_human=["category"])
    assert await run(store, provider) is TicketStatus.PROCESSED
    [classification] = provider.classifications
    assert (classification.category, classification.confidence, classification.review) == ("outage", 1.0, ())


async def test_doubts_stay_where_a_human_set_something_else() -> None:
    store, provider = FakeStore.of(1), FakeProvider(review=("it may be anything",))
    store.change(1, priority="high", set_by_human=["priority"])
    assert await run(store, provider) is TicketStatus.NEEDS_REVIEW


@pytest.mark.parametrize("draft", ["Dear Ada", None])
async def test_nobody_is_asked_for_a_draft_that_a_human_wrote_or_rejected(draft: str | None) -> None:
    store, provider = FakeStore.of(1), FakeProvider(local=False)
    store.change(1, draft=draft, set_by_human=["draft"])
    await run(store, provider)
    assert {step for _, step in provider.asked} == {Step.CLASSIFY, Step.EXTRACT}
