"""What counts as an attempt, and how leases are kept during one."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.fakes import FakeProvider, FakeStore, pipeline_of
from ticketctl.errors import ProviderError
from ticketctl.processing.batch import Limits, RecordResult, process
from ticketctl.processing.deadline import OutOfTimeError
from ticketctl.tickets.messages import TicketMessage
from ticketctl.tickets.models import Step, Ticket
from ticketctl.tickets.statuses import TicketStatus

UNREACHABLE = ConnectionRefusedError("refused")
CLOSED_LOOP = RuntimeError("Event loop is closed")


def message(ticket_id: int, *, group: str | None = None, receive_count: int = 1) -> TicketMessage:
    return TicketMessage(
        message_id=f"m-{ticket_id}", ticket_id=ticket_id, group=group, receive_count=receive_count
    )


async def run(
    store: FakeStore,
    provider: FakeProvider,
    *messages: TicketMessage,
    seconds: float = 30.0,
    lease: float = 60.0,
    **limits: Any,
) -> list[RecordResult]:
    chosen = Limits(
        deadline=time.monotonic() + seconds, lease=timedelta(seconds=lease), max_receive_count=3, **limits
    )
    return await process(messages, pipeline_of(store, provider), chosen, environment_id="e")


@pytest.mark.parametrize(
    ("error", "counts_every_delivery", "receive_count", "status", "attempt"),
    [
        (UNREACHABLE, False, 1, TicketStatus.NEW, 0),
        (UNREACHABLE, False, 3, TicketStatus.NEW, 0),
        (UNREACHABLE, True, 2, TicketStatus.NEW, 0),
        (UNREACHABLE, True, 3, TicketStatus.FAILED, 1),
        (CLOSED_LOOP, False, 2, TicketStatus.NEW, 1),
        (CLOSED_LOOP, False, 3, TicketStatus.FAILED, 1),
    ],
    ids=[
        "no connection",
        "last delivery",
        "SQS",
        "last delivery of SQS",
        "closed loop",
        "last on closed loop",
    ],
)
async def test_whether_a_failed_claim_counts_as_an_attempt(
    error: Exception, *, counts_every_delivery: bool, receive_count: int, status: TicketStatus, attempt: int
) -> None:
    store = FakeStore.of(1)
    store.failing["claim"] = error
    sent = message(1, receive_count=receive_count)
    [result] = await run(store, FakeProvider(), sent, counts_every_delivery=counts_every_delivery)
    ticket = store.tickets[1]
    assert result.error is error
    assert (ticket.status, ticket.attempt) == (status, attempt)
    assert ticket.error is not None
    assert str(error) in ticket.error


async def test_a_record_after_a_failure_of_its_group_is_no_attempt() -> None:
    store = FakeStore.of(1, 2)
    provider = FakeProvider(failing={(1, Step.CLASSIFY): ProviderError("down")})
    await run(store, provider, message(1, group="g"), message(2, group="g", receive_count=3))
    assert [ticket.attempt for ticket in store.tickets.values()] == [1, 0]
    assert store.tickets[2].status is TicketStatus.NEW
    assert store.tickets[2].error == "an earlier message of the group g failed"


@pytest.mark.parametrize(
    ("counts_every_delivery", "status"), [(False, TicketStatus.NEW), (True, TicketStatus.FAILED)]
)
async def test_a_ticket_whose_time_ran_out_fails_only_where_the_queue_counts_every_delivery(
    *, counts_every_delivery: bool, status: TicketStatus
) -> None:
    store, sent = FakeStore.of(1), message(1, receive_count=3)
    [result] = await run(
        store, FakeProvider(stuck={1}), sent, seconds=0.2, counts_every_delivery=counts_every_delivery
    )
    assert isinstance(result.error, OutOfTimeError)
    # the attempt is counted, because the next one reads the steps that it saved
    assert (store.tickets[1].status, store.tickets[1].attempt) == (status, 1)


async def test_a_record_without_time_to_start_is_no_attempt() -> None:
    store = FakeStore.of(1)
    [result] = await run(store, FakeProvider(), message(1, receive_count=3), seconds=0)
    assert str(result.error) == "too little time was left to start"
    assert (store.tickets[1].status, store.tickets[1].attempt) == (TicketStatus.NEW, 0)


@pytest.mark.parametrize(
    ("failing", "lost"), [({"claim"}, False), ({"claim", "release"}, True), ({"release"}, False)]
)
async def test_a_record_is_lost_if_it_was_not_attempted_and_not_even_that_was_written(
    failing: set[str], *, lost: bool
) -> None:
    store = FakeStore.of(1)
    store.failing = dict.fromkeys(failing, UNREACHABLE)
    provider = FakeProvider(failing={(1, Step.CLASSIFY): ProviderError("down")})
    [result] = await run(store, provider, message(1))
    assert result.is_lost is lost


class SlowProvider(FakeProvider):
    """Responds after a while, and records how long each lease would still last then."""

    def __init__(self, store: FakeStore, seconds: float) -> None:
        super().__init__(local=False)
        self.left: list[timedelta] = []
        self._store, self._seconds = store, seconds

    async def _answer(self, ticket: Ticket, step: Step, output: Any) -> Any:
        await asyncio.sleep(self._seconds)
        lease_until = self._store.tickets[ticket.id].lease_until
        assert lease_until is not None
        self.left.append(lease_until - datetime.now(UTC))
        return await super()._answer(ticket, step, output)


async def test_the_lease_of_a_long_attempt_is_extended() -> None:
    store = FakeStore.of(1)
    provider = SlowProvider(store, 1.0)
    [result] = await run(store, provider, message(1), lease=0.6)
    assert result.error is None
    assert min(provider.left) > timedelta(0)


async def test_a_lease_is_never_extended_beyond_the_invocation() -> None:
    end = datetime.now(UTC) + timedelta(seconds=1.5)
    longest: list[datetime] = []

    class Watching(FakeStore):
        async def extend_leases(self, *arguments: Any, **options: Any) -> None:
            await super().extend_leases(*arguments, **options)
            longest.append(self.tickets[1].lease_until or end)

    store = Watching.of(1)
    [result] = await run(store, FakeProvider(stuck={1}), message(1), seconds=1.0, reserve=0.5, lease=0.3)
    assert str(result.error) == "the invocation's time ran out"
    assert longest
    assert max(longest) < end + timedelta(seconds=0.2)


async def test_a_lease_that_cannot_be_extended_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    store = FakeStore.of(1)
    store.failing["extend_leases"] = UNREACHABLE
    [result] = await run(store, SlowProvider(store, 0.2), message(1), lease=0.3)
    assert result.error is None
    assert "the leases could not be extended: ConnectionRefusedError: refused" in caplog.text


async def test_no_heartbeat_runs_if_the_lease_lasts_as_long_as_the_invocation() -> None:
    store = FakeStore.of(1)
    store.failing["extend_leases"] = AssertionError("there was a heartbeat")
    [result] = await run(store, SlowProvider(store, 0.1), message(1), seconds=0.6, reserve=0.1, lease=0.7)
    assert result.error is None


async def test_a_provider_without_time_returns_the_record_and_writes_no_draft() -> None:
    store = FakeStore.of(1)
    provider = FakeProvider(
        failing={(1, Step.RESPOND): OutOfTimeError("no time is left to ask the AI provider")}
    )
    [result] = await run(store, provider, message(1))
    ticket = store.tickets[1]
    assert isinstance(result.error, OutOfTimeError)
    assert (ticket.status, ticket.draft) == (TicketStatus.NEW, None)
    assert ticket.error == "no time is left to ask the AI provider"
