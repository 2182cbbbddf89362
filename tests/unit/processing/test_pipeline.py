import gc
from datetime import timedelta
from uuid import uuid4

import pytest

from tests.fakes import FakeProvider, FakeRouter, FakeStore, pipeline_of
from ticketctl.errors import ProviderError
from ticketctl.processing.pipeline import LeaseLostError
from ticketctl.tickets.messages import TicketMessage
from ticketctl.tickets.models import Step
from ticketctl.tickets.statuses import TicketStatus

ALL = list(Step)
ASKED = [Step.CLASSIFY, Step.EXTRACT, Step.RESPOND]
"""The steps that ask a provider; routing does not."""

DOWN = ProviderError("the provider is down")


async def run(
    store: FakeStore, provider: FakeProvider, router: FakeRouter | None = None, *, lost: bool = False
) -> TicketStatus:
    """Claim ticket 1 and run it; with `lost` another worker takes it over in between."""
    token = uuid4()
    message = TicketMessage(message_id="m-1", ticket_id=1)
    claims = await store.claim([message], token=token, lease=timedelta(minutes=1), environment_id="e")
    claimed = claims[1].ticket
    assert claimed is not None
    if lost:
        store.change(1, lease_token=uuid4())
    return await pipeline_of(store, provider, router).run(claimed, claims[1], token)


def again(store: FakeStore) -> None:
    """Make the ticket new again, as after a failure."""
    store.change(1, status=TicketStatus.NEW, lease_token=None)


async def test_a_ticket_goes_through_all_steps() -> None:
    store, provider = FakeStore.of(1), FakeProvider()
    assert await run(store, provider) is TicketStatus.PROCESSED
    ticket = store.tickets[1]
    assert (ticket.status, ticket.category, ticket.team, ticket.draft) == (
        TicketStatus.PROCESSED,
        "billing",
        "billing team",
        "From billing team",
    )
    assert sorted(store.steps[1], key=ALL.index) == ALL
    assert sorted(step for _, step in provider.asked) == sorted(ASKED)


async def test_every_step_names_its_provider_and_its_cost() -> None:
    store = FakeStore.of(1)
    await run(store, FakeProvider())
    classify, route = store.steps[1][Step.CLASSIFY], store.steps[1][Step.ROUTE]
    assert (classify.provider, classify.model) == ("fake", "fake-1")
    assert (classify.input_tokens, classify.output_tokens) == (7, 3)
    assert classify.duration_ms >= 0
    assert classify.output["category"] == "billing"
    assert (route.provider, route.model, route.input_tokens) == ("rules", "rules", 0)


async def test_a_reason_for_a_review_leads_to_needs_review() -> None:
    store = FakeStore.of(1)
    assert await run(store, FakeProvider(review=("confidence is low",))) is TicketStatus.NEEDS_REVIEW
    assert store.tickets[1].status is TicketStatus.NEEDS_REVIEW


@pytest.mark.parametrize(("local", "saved"), [(True, set()), (False, {Step.CLASSIFY, Step.EXTRACT})])
async def test_paid_responses_are_saved_before_the_end_and_free_ones_at_the_end(
    *, local: bool, saved: set[Step]
) -> None:
    store = FakeStore.of(1)
    store.failing["finish"] = ConnectionResetError()
    with pytest.raises(ConnectionResetError):
        await run(store, FakeProvider(local=local))
    assert set(store.steps.get(1, {})) == saved
    del store.failing["finish"]
    again(store)
    await run(store, FakeProvider(local=local))
    assert sorted(store.steps[1], key=ALL.index) == ALL


async def test_a_retry_pays_for_no_saved_step_again() -> None:
    store = FakeStore.of(1)
    with pytest.raises(ProviderError):
        await run(store, FakeProvider(local=False, failing={(1, Step.RESPOND): DOWN}))
    again(store)
    second = FakeProvider(local=False)
    await run(store, second)
    assert second.asked == [(1, Step.RESPOND)]
    assert second.classifications[0].category == "billing"


@pytest.mark.parametrize(("failing", "saved"), [(Step.CLASSIFY, Step.EXTRACT), (Step.EXTRACT, Step.CLASSIFY)])
async def test_if_one_concurrent_step_fails_the_other_is_saved(failing: Step, saved: Step) -> None:
    store = FakeStore.of(1)
    with pytest.raises(ProviderError, match="the provider is down"):
        await run(store, FakeProvider(local=False, failing={(1, failing): DOWN}))
    assert list(store.steps[1]) == [saved]
    again(store)
    second = FakeProvider(local=False)
    await run(store, second)
    assert [step for _, step in second.asked] == [failing, Step.RESPOND]


async def test_the_output_of_a_fallback_is_not_reused() -> None:
    store = FakeStore.of(1)
    first = FakeProvider(local=False, degraded=True, failing={(1, Step.RESPOND): DOWN})
    with pytest.raises(ProviderError):
        await run(store, first)
    again(store)
    second = FakeProvider(local=False)
    await run(store, second)
    assert second.asked == [(1, Step.CLASSIFY), (1, Step.RESPOND)]


@pytest.mark.parametrize(("local", "sent"), [(True, None), (False, "classify My printer is on fire")])
async def test_a_step_keeps_the_text_that_was_sent(*, local: bool, sent: str | None) -> None:
    store = FakeStore.of(1)
    await run(store, FakeProvider(local=local))
    assert store.steps[1][Step.CLASSIFY].sent == sent


async def test_a_changed_prompt_asks_again() -> None:
    store = FakeStore.of(1)
    await run(store, FakeProvider(prompt="1"))
    again(store)
    changed = FakeProvider(prompt="2", category="outage")
    await run(store, changed)
    assert sorted(step for _, step in changed.asked) == sorted(ASKED)
    assert store.tickets[1].category == "outage"


async def test_changed_rules_route_again_and_draft_again_only_for_another_team() -> None:
    store = FakeStore.of(1)
    await run(store, FakeProvider(), FakeRouter(version="1"))
    again(store)
    first_hash = store.steps[1][Step.ROUTE].prompt_hash
    second = FakeProvider()
    await run(store, second, FakeRouter(version="2"))
    assert store.steps[1][Step.ROUTE].prompt_hash != first_hash
    assert second.asked == []


async def test_routing_and_drafting_use_what_a_person_set() -> None:
    store, provider = FakeStore.of(1), FakeProvider()
    store.change(1, category="sales", priority="urgent", set_by_human=["category", "team"])
    await run(store, provider)
    assert store.tickets[1].team == "sales team"
    [classification] = provider.classifications
    assert (classification.category, classification.priority) == ("sales", "normal")


async def test_a_category_set_by_a_person_gives_another_route_and_draft() -> None:
    store = FakeStore.of(1)
    await run(store, FakeProvider())
    again(store)
    store.change(1, category="sales", set_by_human=["category"])
    second = FakeProvider()
    await run(store, second)
    assert second.asked == [(1, Step.RESPOND)]
    assert store.tickets[1].draft == "From sales team"


@pytest.mark.parametrize("local", [True, False], ids=["free", "paid"])
async def test_an_attempt_that_lost_its_lease_writes_nothing(*, local: bool) -> None:
    store, provider = FakeStore.of(1), FakeProvider(local=local)
    with pytest.raises(LeaseLostError, match="the lease on ticket 1 ended before the work was done"):
        await run(store, provider, lost=True)
    assert store.steps == {}
    assert store.tickets[1].status is TicketStatus.PROCESSING
    assert store.tickets[1].draft is None


async def test_no_exception_is_left_unretrieved(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(LeaseLostError):
        await run(FakeStore.of(1), FakeProvider(local=False), lost=True)
    gc.collect()
    assert caplog.messages == []


async def test_an_attempt_that_lost_its_lease_asks_nothing_more() -> None:
    provider = FakeProvider(local=False)
    with pytest.raises(LeaseLostError):
        await run(FakeStore.of(1), provider, lost=True)
    assert Step.RESPOND not in [step for _, step in provider.asked]


async def test_a_message_that_is_no_ticket_is_not_answered() -> None:
    store, provider = FakeStore.of(1), FakeProvider(kind="bounce")
    assert await run(store, provider) is TicketStatus.PROCESSED
    assert (1, Step.RESPOND) not in provider.asked
    assert not store.tickets[1].draft
