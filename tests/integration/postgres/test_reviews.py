"""A person's decisions on a real database: what is marked, what is kept, what no later run overwrites."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from uuid import uuid4

import pytest

from tests.people import BY, Reviewer
from ticketctl.ai.offline import OfflineProvider
from ticketctl.ai.offline.drafting import fill_draft
from ticketctl.ai.taxonomy.loader import default_taxonomy
from ticketctl.ai.taxonomy.schema import SENTIMENTS
from ticketctl.errors import InvalidInputError, NotFoundError
from ticketctl.postgres.decisions import PostgresDecisions
from ticketctl.postgres.engine import Connections
from ticketctl.postgres.store import PostgresStore
from ticketctl.processing.pipeline import Pipeline
from ticketctl.tickets.messages import TicketMessage
from ticketctl.tickets.models import EDITABLE_FIELDS, NewTicket, Ticket
from ticketctl.tickets.protocols import Claim
from ticketctl.tickets.review import ReviewService
from ticketctl.tickets.statuses import TicketStatus

TAXONOMY = default_taxonomy()
ALLOWED = {
    "category": [category.name for category in TAXONOMY.categories],
    "priority": [priority.name for priority in TAXONOMY.priorities],
    "sentiment": SENTIMENTS,
    "team": [team.name for team in TAXONOMY.teams],
}
UNSURE = NewTicket(subject="It is broken somehow", body="please look at it")
THEIRS = {
    "category": "sales",
    "priority": "urgent",
    "sentiment": "positive",
    "language": "pt",
    "team": "security",
    "draft": "Olá",
}


@pytest.fixture
def service(store: PostgresStore, connections: Connections) -> Reviewer:
    return Reviewer(
        ReviewService(
            tickets=store,
            decisions=PostgresDecisions(connections),
            router=TAXONOMY,
            allowed=ALLOWED,
            fill_draft=partial(fill_draft, TAXONOMY),
        )
    )


@pytest.fixture
def again(ask: Callable[[str], str]) -> Callable[[int], str]:
    """Make a ticket new, as a retry does."""
    return lambda ticket_id: ask(f"update tickets set status = 'new' where id = {ticket_id}")  # noqa: S608


async def claim(store: PostgresStore, ticket_id: int) -> tuple[Claim, Callable[[], Awaitable[TicketStatus]]]:
    """Claim a ticket and return it with a function that runs it to its end."""
    token = uuid4()
    message = TicketMessage(message_id="m", ticket_id=ticket_id)
    claims = await store.claim([message], token=token, lease=timedelta(minutes=1), environment_id="e")
    claimed = claims[ticket_id]
    assert claimed.ticket is not None
    pipeline = Pipeline(store=store, provider=OfflineProvider(TAXONOMY), router=TAXONOMY)
    ticket = claimed.ticket
    return claimed, lambda: pipeline.run(ticket, claimed, token)


async def run(store: PostgresStore, ticket_id: int) -> Ticket:
    _, to_its_end = await claim(store, ticket_id)
    await to_its_end()
    return await read(store, ticket_id)


async def read(store: PostgresStore, ticket_id: int) -> Ticket:
    details = await store.get_details(ticket_id)
    assert details is not None
    return details.ticket


async def made(store: PostgresStore, ticket: NewTicket = UNSURE) -> int:
    return (await store.create(ticket))[0].id


def word(ticket: Ticket) -> dict[str, str | None]:
    return {name: getattr(ticket, name) for name in EDITABLE_FIELDS}


@pytest.mark.parametrize("when", ["before the first run", "after it", "while it runs"])
async def test_no_run_overwrites_fields_set_by_a_person(
    service: Reviewer, store: PostgresStore, again: Callable[[int], str], when: str
) -> None:
    ticket_id = await made(store)
    if when == "before the first run":
        await service.set(ticket_id, THEIRS)
    elif when == "while it runs":
        _, to_its_end = await claim(store, ticket_id)
        await service.set(ticket_id, THEIRS)
        await to_its_end()
        during = await read(store, ticket_id)
        assert (word(during), during.confidence) == (THEIRS, 1.0)
        again(ticket_id)
    else:
        await run(store, ticket_id)
        await service.set(ticket_id, THEIRS)
        again(ticket_id)
    after = await run(store, ticket_id)
    assert word(after) == THEIRS
    assert after.set_by_human == sorted(THEIRS)
    assert (after.status, after.confidence) == (TicketStatus.PROCESSED, 1.0)


@pytest.mark.parametrize("name", EDITABLE_FIELDS)
async def test_fields_that_are_not_set_stay_unmarked(
    service: Reviewer, store: PostgresStore, name: str, again: Callable[[int], str]
) -> None:
    ticket_id = await made(store)
    before = await run(store, ticket_id)
    after = await service.set(ticket_id, {name: THEIRS[name]})
    assert after.set_by_human == [name]
    others = {field: value for field, value in word(before).items() if field not in {name, "team"}}
    assert word(after).items() >= {name: THEIRS[name], **others}.items()
    assert after.status is TicketStatus.NEEDS_REVIEW
    assert after.updated_at > before.updated_at
    again(ticket_id)
    assert getattr(await run(store, ticket_id), name) == THEIRS[name]


async def test_the_team_follows_the_category_until_a_person_sets_it(
    service: Reviewer, store: PostgresStore
) -> None:
    ticket_id = await made(store)
    assert (await run(store, ticket_id)).team == "support"
    assert (await service.set(ticket_id, {"category": "billing"})).team == "billing"
    assert (await service.set(ticket_id, {"team": "operations"})).team == "operations"
    ticket = await service.set(ticket_id, {"category": "bug"})
    assert (ticket.team, ticket.set_by_human) == ("operations", ["category", "team"])


async def test_a_run_with_a_persons_category_drafts_again(
    service: Reviewer, store: PostgresStore, again: Callable[[int], str]
) -> None:
    ticket_id = await made(store)
    before = await run(store, ticket_id)
    await service.set(ticket_id, {"category": "outage"})
    again(ticket_id)
    after = await run(store, ticket_id)
    assert (after.category, after.team) == ("outage", "operations")
    assert after.draft
    assert after.draft != before.draft


async def test_approval_marks_every_field_as_set_by_a_person(
    service: Reviewer, store: PostgresStore, again: Callable[[int], str]
) -> None:
    ticket_id = await made(store)
    before = await run(store, ticket_id)
    approved = await service.approve(ticket_id)
    assert word(approved) == word(before)
    assert approved.status is TicketStatus.PROCESSED
    assert approved.set_by_human == sorted(name for name, value in word(before).items() if value is not None)
    assert word(await service.approve(ticket_id)) == word(before)
    again(ticket_id)
    assert word(await run(store, ticket_id)) == word(before)


async def test_a_ticket_without_a_category_can_be_approved(service: Reviewer, store: PostgresStore) -> None:
    ticket_id = await made(store, NewTicket(subject="x" * 40))
    assert (await run(store, ticket_id)).category is None
    approved = await service.approve(ticket_id)
    assert (approved.category, approved.confidence) == (None, 0.0)
    assert "category" not in approved.set_by_human


async def test_no_run_drafts_again_after_a_rejection(
    service: Reviewer, store: PostgresStore, again: Callable[[int], str]
) -> None:
    ticket_id = await made(store)
    await run(store, ticket_id)
    rejected = await service.reject(ticket_id, "not what we say")
    assert (rejected.draft, rejected.status) == (None, TicketStatus.PROCESSED)
    assert rejected.set_by_human == ["draft"]
    details = await store.get_details(ticket_id)
    assert details is not None
    assert [(a.outcome, a.error) for a in details.attempts] == [("rejected", "not what we say")]
    again(ticket_id)
    assert (await run(store, ticket_id)).draft is None


async def test_a_decision_is_written_on_the_last_attempt_only(
    service: Reviewer, store: PostgresStore, again: Callable[[int], str]
) -> None:
    ticket_id = await made(store)
    await run(store, ticket_id)
    again(ticket_id)
    await run(store, ticket_id)
    await service.approve(ticket_id)
    details = await store.get_details(ticket_id)
    assert details is not None
    assert [a.outcome for a in details.attempts] == ["needs_review", "approved"]


@pytest.mark.parametrize("status", ["new", "processing", "failed", "closed"])
async def test_a_ticket_cannot_be_decided_on_before_it_is_processed(
    service: Reviewer, store: PostgresStore, ask: Callable[[str], str], status: str
) -> None:
    ticket_id = await made(store)
    ask(f"update tickets set status = '{status}'")  # noqa: S608 - of this test's own
    before = await read(store, ticket_id)
    for call in (service.approve(ticket_id), service.reject(ticket_id)):
        with pytest.raises(InvalidInputError, match=f"ticket {ticket_id} is {status}"):
            await call
    assert await read(store, ticket_id) == before


async def test_decisions_on_an_unknown_ticket_return_nothing(service: Reviewer) -> None:
    for call in (service.set(7, {"team": "support"}), service.approve(7), service.reject(7)):
        with pytest.raises(NotFoundError, match="no ticket 7"):
            await call


async def test_concurrent_decisions_of_two_people_are_both_kept(
    service: Reviewer, store: PostgresStore
) -> None:
    ticket_id = await made(store)
    await run(store, ticket_id)
    await asyncio.gather(*(service.set(ticket_id, {name: value}) for name, value in THEIRS.items()))
    after = await read(store, ticket_id)
    assert word(after) == THEIRS
    assert after.set_by_human == sorted(THEIRS)


async def test_waiting_tickets_are_listed_oldest_first(service: Reviewer, store: PostgresStore) -> None:
    ids = [await made(store) for _ in range(3)]
    for ticket_id in reversed(ids):
        await run(store, ticket_id)
    assert [details.ticket.id for details in await service.list_waiting(2)] == ids[:2]
    await service.approve(ids[0])
    assert [details.ticket.id for details in await service.list_waiting(5)] == ids[1:]


async def test_a_new_draft_needs_a_processed_ticket_and_a_template(
    service: Reviewer, store: PostgresStore
) -> None:
    processed, _ = await store.create(UNSURE)
    waiting, _ = await store.create(UNSURE)
    thanks, _ = await store.create(NewTicket(subject="Thank you!", body="That solved it, thanks a lot."))
    await run(store, processed.id)
    assert (await run(store, thanks.id)).draft is None
    outcomes = await service.service.redraft([processed.id, waiting.id, thanks.id, 999, 0], by=BY)
    assert [(one.id, one.outcome) for one in outcomes] == [
        (processed.id, "already drafted"),
        (waiting.id, "unchanged"),
        (thanks.id, "unchanged"),
        (999, "unchanged"),
        (0, "unchanged"),
    ]
    texts = [str(one.error) for one in outcomes[1:]]
    assert texts[:2] == [
        f"ticket {waiting.id} is new: there is no draft to replace",
        f"no reply template fits ticket {thanks.id}",
    ]
    assert texts[2:] == ["there is no ticket 999", "there is no ticket 0"]
    await service.set(thanks.id, {"category": "bug", "language": "de"})
    draft = (await service.redraft(thanks.id)).draft
    assert draft is not None
    assert draft.startswith("Guten Tag")
