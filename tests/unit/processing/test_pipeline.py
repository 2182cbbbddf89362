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
"""What a provider is asked for: routing is plain code."""

DOWN = ProviderError("the provider is down")


async def run(
    store: FakeStore, provider: FakeProvider, router: FakeRouter | None = None, *, lost: bool = False
) -> TicketStatus:
    """Claim ticket 1 and run it; `lost`: somebody else has taken it since."""
    token = uuid4()
    message = TicketMessage(message_id="m-1", ticket_id=1)
    claims = await store.claim([message], token=token, lease=timedelta(minutes=1), environment_id="e")
    claimed = claims[1].ticket
    assert claimed is not None
    if lost:
        store.change(1, lease_token=uuid4())
    return await pipeline_of(store, provider, router).run(claimed, claims[1], token)


def again(store: FakeStore) -> None:
    """The ticket comes back, as after a failure."""
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


async def test_every_step_tells_who_answered_and_what_it_cost() -> None:
    store = FakeStore.of(1)
    await run(store, FakeProvider())
    classify, route = store.steps[1][Step.CLASSIFY], store.steps[1][Step.ROUTE]
    assert (classify.provider, classify.model) == ("fake", "fake-1")
    assert (classify.input_tokens, classify.output_tokens) == (7, 3)
    assert classify.duration_ms >= 0
    assert classify.output["category"] == "billing"
    assert (route.provider, route.model, route.input_tokens) == ("rules", "rules", 0)


async def test_what_is_unsure_goes_to_a_human() -> None:
    store = FakeStore.of(1)
    assert await run(store, FakeProvider(review=("confidence is low",))) is TicketStatus.NEEDS_REVIEW
    assert store.tickets[1].status is TicketStatus.NEEDS_REVIEW


async def test_what_costs_nothing_is_written_once_at_the_end() -> None:
    store = FakeStore.of(1)
    await run(store, FakeProvider(local=True))
    assert store.calls == ["claim", "finish"]


async def test_a_paid_answer_is_saved_before_the_work_goes_on() -> None:
    store = FakeStore.of(1)
    await run(store, FakeProvider(local=False))
    assert sorted(store.calls[1:3]) == ["save classify", "save extract"]
    assert store.calls[3:] == ["finish"]
    assert sorted(store.steps[1], key=ALL.index) == ALL


async def test_a_retry_pays_for_nothing_that_is_saved() -> None:
    store = FakeStore.of(1)
    with pytest.raises(ProviderError):
        await run(store, FakeProvider(local=False, failing={(1, Step.RESPOND): DOWN}))
    again(store)
    second = FakeProvider(local=False)
    await run(store, second)
    assert second.asked == [(1, Step.RESPOND)]
    assert second.classifications[0].category == "billing"


@pytest.mark.parametrize(("failing", "saved"), [(Step.CLASSIFY, Step.EXTRACT), (Step.EXTRACT, Step.CLASSIFY)])
async def test_where_one_of_two_fails_the_others_answer_is_saved(failing: Step, saved: Step) -> None:
    store = FakeStore.of(1)
    with pytest.raises(ProviderError, match="the provider is down"):
        await run(store, FakeProvider(local=False, failing={(1, failing): DOWN}))
    assert list(store.steps[1]) == [saved]
    again(store)
    second = FakeProvider(local=False)
    await run(store, second)
    assert [step for _, step in second.asked] == [failing, Step.RESPOND]


async def test_what_a_stand_in_said_is_asked_for_again() -> None:
    store = FakeStore.of(1)
    first = FakeProvider(local=False, degraded=True, failing={(1, Step.RESPOND): DOWN})
    with pytest.raises(ProviderError):
        await run(store, first)
    again(store)
    second = FakeProvider(local=False)
    await run(store, second)
    assert second.asked == [(1, Step.CLASSIFY), (1, Step.RESPOND)]


@pytest.mark.parametrize(("local", "sent"), [(True, None), (False, "classify My printer is on fire")])
async def test_a_step_tells_what_left_the_machine(*, local: bool, sent: str | None) -> None:
    store = FakeStore.of(1)
    await run(store, FakeProvider(local=local))
    assert store.steps[1][Step.CLASSIFY].sent == sent


async def test_another_prompt_asks_again() -> None:
    store = FakeStore.of(1)
    await run(store, FakeProvider(prompt="1"))
    again(store)
    changed = FakeProvider(prompt="2", category="outage")
    await run(store, changed)
    assert sorted(step for _, step in changed.asked) == sorted(ASKED)
    assert store.tickets[1].category == "outage"


async def test_another_routing_routes_again_and_drafts_anew_only_where_the_team_changed() -> None:
    store = FakeStore.of(1)
    await run(store, FakeProvider(), FakeRouter(version="1"))
    again(store)
    first_hash = store.steps[1][Step.ROUTE].prompt_hash
    second = FakeProvider()
    await run(store, second, FakeRouter(version="2"))
    assert store.steps[1][Step.ROUTE].prompt_hash != first_hash
    assert second.asked == []


async def test_the_word_of_a_human_is_kept_and_the_rest_goes_by_it() -> None:
    store, provider = FakeStore.of(1), FakeProvider()
    store.change(1, category="sales", priority="urgent", set_by_human=["category", "team"])
    await run(store, provider)
    assert store.tickets[1].team == "sales team"
    [classification] = provider.classifications
    assert (classification.category, classification.priority) == ("sales", "normal")


async def test_a_human_who_changes_the_category_gets_another_route_and_draft() -> None:
    store = FakeStore.of(1)
    await run(store, FakeProvider())
    again(store)
    store.change(1, category="sales", set_by_human=["category"])
    second = FakeProvider()
    await run(store, second)
    assert second.asked == [(1, Step.RESPOND)]
    assert store.tickets[1].draft == "From sales team"


@pytest.mark.parametrize("local", [True, False], ids=["free", "paid"])
async def test_who_lost_the_lease_writes_nothing(*, local: bool) -> None:
    store, provider = FakeStore.of(1), FakeProvider(local=local)
    with pytest.raises(LeaseLostError, match="the lease on ticket 1 ended before the work was done"):
        await run(store, provider, lost=True)
    assert store.steps == {}
    assert store.tickets[1].status is TicketStatus.PROCESSING
    assert store.tickets[1].draft is None


async def test_no_failure_is_left_for_the_garbage_collector_to_tell(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(LeaseLostError):
        await run(FakeStore.of(1), FakeProvider(local=False), lost=True)
    gc.collect()
    assert caplog.messages == []


async def test_who_lost_the_lease_pays_for_nothing_more() -> None:
    provider = FakeProvider(local=False)
    with pytest.raises(LeaseLostError):
        await run(FakeStore.of(1), provider, lost=True)
    assert Step.RESPOND not in [step for _, step in provider.asked]
