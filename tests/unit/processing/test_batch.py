import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy.exc import DBAPIError

from tests.fakes import FakeProvider, FakeStore, pipeline_of
from ticketctl.errors import ProviderError
from ticketctl.processing.batch import Limits, RecordResult, process
from ticketctl.processing.pipeline import LeaseLostError
from ticketctl.processing.record_errors import describe_error
from ticketctl.tickets.messages import MalformedMessage, Message, TicketMessage
from ticketctl.tickets.models import Step, StepRecord
from ticketctl.tickets.protocols import Claim, PipelineResult
from ticketctl.tickets.statuses import TicketStatus

DOWN = ProviderError("the provider is down")
UNREACHABLE = ConnectionRefusedError("connection refused")


def message(
    ticket_id: int, *, group: str | None = None, name: str = "", receive_count: int = 1
) -> TicketMessage:
    return TicketMessage(
        message_id=name or f"m-{ticket_id}", ticket_id=ticket_id, group=group, receive_count=receive_count
    )


def malformed(name: str, *, group: str | None = None) -> MalformedMessage:
    return MalformedMessage(message_id=name, reason="the record has no body", group=group)


def limits(seconds: float = 30) -> Limits:
    return Limits(
        deadline=time.monotonic() + seconds, lease=timedelta(seconds=max(seconds, 1)), max_receive_count=3
    )


async def run(
    store: FakeStore,
    provider: FakeProvider,
    *messages: Message,
    seconds: float = 30,
    failed_groups: Sequence[str] = (),
) -> list[RecordResult]:
    return await process(
        messages,
        pipeline_of(store, provider),
        limits(seconds),
        environment_id="e-1",
        failed_groups=failed_groups,
    )


def errors(results: Sequence[RecordResult]) -> dict[str | None, str | None]:
    """Return the error text of each message, None if it succeeded."""
    return {
        result.message.message_id: None if result.error is None else describe_error(result.error)
        for result in results
    }


def failed(results: Sequence[RecordResult]) -> list[str | None]:
    return [result.message.message_id for result in results if result.error is not None]


async def test_an_empty_batch_needs_no_database() -> None:
    store = FakeStore(failing={"claim": UNREACHABLE})
    assert await run(store, FakeProvider()) == []


async def test_the_results_are_in_the_order_of_the_records() -> None:
    messages: list[Message] = [message(3), malformed("x"), message(1), message(2)]
    results = await run(FakeStore.of(1, 2, 3), FakeProvider(), *messages)
    assert [result.message for result in results] == messages
    assert failed(results) == ["x"]


async def test_one_bad_record_never_fails_its_neighbours() -> None:
    store = FakeStore.of(1, 2, 3)
    provider = FakeProvider(failing={(2, Step.CLASSIFY): DOWN})
    results = await run(store, provider, message(1), message(2), message(99), malformed("x"), message(3))
    assert errors(results) == {
        "m-1": None,
        "m-2": "ProviderError: the provider is down",
        "m-99": "there is no ticket 99",
        "x": "the record has no body",
        "m-3": None,
    }
    assert [store.tickets[n].status for n in (1, 2, 3)] == [
        TicketStatus.PROCESSED,
        TicketStatus.NEW,
        TicketStatus.PROCESSED,
    ]
    assert store.tickets[2].error == "ProviderError: the provider is down"


async def test_the_tickets_of_a_batch_run_concurrently() -> None:
    provider = FakeProvider(meeting=asyncio.Barrier(3))
    assert failed(await run(FakeStore.of(1, 2, 3), provider, message(1), message(2), message(3))) == []


@pytest.mark.parametrize("local", [True, False])
async def test_a_connection_is_held_during_a_response_only_if_the_provider_is_local(*, local: bool) -> None:
    store = FakeStore.of(1)
    held: list[bool] = []

    class Watching(FakeProvider):
        def fingerprint(self, step: Step, ticket: object = None) -> str:  # noqa: ARG002  (the protocol's)
            held.append(store.sharing)
            return super().fingerprint(step)

    await run(store, Watching(local=local), message(1))
    assert set(held) == {local}
    assert not store.sharing


async def test_two_records_of_one_ticket_share_one_attempt() -> None:
    store, provider = FakeStore.of(1), FakeProvider()
    results = await run(store, provider, message(1, name="a"), message(1, name="b"))
    assert errors(results) == {"a": None, "b": None}
    assert provider.asked.count((1, Step.CLASSIFY)) == 1
    assert store.tickets[1].attempt == 1


async def test_two_records_of_one_ticket_fail_together() -> None:
    provider = FakeProvider(failing={(1, Step.RESPOND): DOWN})
    results = await run(FakeStore.of(1), provider, message(1, name="a"), message(1, name="b"))
    assert failed(results) == ["a", "b"]
    assert provider.asked.count((1, Step.CLASSIFY)) == 1


@pytest.mark.parametrize(
    "status", [TicketStatus.PROCESSED, TicketStatus.NEEDS_REVIEW, TicketStatus.FAILED, TicketStatus.CLOSED]
)
async def test_a_settled_ticket_is_success_and_stays_as_it_is(status: TicketStatus) -> None:
    store, provider = FakeStore.of(1), FakeProvider()
    store.change(1, status=status)
    before = store.tickets[1]
    assert failed(await run(store, provider, message(1))) == []
    assert provider.asked == []
    assert store.tickets[1] == before


async def test_a_leased_ticket_is_returned_and_stays_as_it_is() -> None:
    store, provider = FakeStore.of(1, 2), FakeProvider()
    until = datetime(2026, 1, 31, 12, 5, tzinfo=UTC)
    store.change(1, status=TicketStatus.PROCESSING, lease_token=uuid4(), lease_until=until)
    before = store.tickets[1]
    results = await run(store, provider, message(1), message(2))
    assert errors(results) == {
        "m-1": "another worker has ticket 1 until 2026-01-31T12:05:00+00:00",
        "m-2": None,
    }
    assert store.tickets[1] == before


class TestFifo:
    async def test_the_messages_of_a_group_run_in_order(self) -> None:
        provider = FakeProvider()
        messages = [message(number, group="g") for number in (3, 1, 2)]
        assert failed(await run(FakeStore.of(1, 2, 3), provider, *messages)) == []
        assert [ticket for ticket, step in provider.asked if step is Step.RESPOND] == [3, 1, 2]

    async def test_groups_do_not_wait_for_each_other(self) -> None:
        provider = FakeProvider(meeting=asyncio.Barrier(3))
        messages = [message(1, group="g"), message(2, group="h"), message(3)]
        assert failed(await run(FakeStore.of(1, 2, 3), provider, *messages)) == []

    async def test_after_the_first_failure_the_rest_of_the_group_is_returned_too(self) -> None:
        store = FakeStore.of(1, 2, 3, 4, 5)
        provider = FakeProvider(failing={(2, Step.CLASSIFY): DOWN})
        messages: list[Message] = [
            message(1, group="g"),
            message(2, group="g"),
            message(3, group="g"),
            malformed("x", group="g"),
            message(4, group="h"),
            message(5),
        ]
        results = await run(store, provider, *messages)
        assert failed(results) == ["m-2", "m-3", "x"]
        assert errors(results)["x"] == "an earlier message of the group g failed"
        assert 3 not in {ticket for ticket, _ in provider.asked}
        assert store.tickets[3].status is TicketStatus.NEW

    async def test_a_malformed_record_fails_the_rest_of_its_group(self) -> None:
        provider = FakeProvider()
        results = await run(
            FakeStore.of(1, 2),
            provider,
            message(1, group="g"),
            malformed("x", group="g"),
            message(2, group="g"),
        )
        assert failed(results) == ["x", "m-2"]

    async def test_a_leased_ticket_returns_the_rest_of_its_group(self) -> None:
        store = FakeStore.of(1, 2)
        store.change(1, status=TicketStatus.PROCESSING, lease_token=uuid4())
        results = await run(store, FakeProvider(), message(1, group="g"), message(2, group="g"))
        assert failed(results) == ["m-1", "m-2"]

    async def test_a_group_that_failed_earlier_in_the_invocation_is_not_claimed(self) -> None:
        store = FakeStore.of(1)
        results = await run(
            store, FakeProvider(), message(1, group="g"), malformed("x", group="g"), failed_groups=["g"]
        )
        assert failed(results) == ["m-1", "x"]
        assert store.tickets[1].attempt == 0


class TestDeadline:
    async def test_without_time_no_ticket_starts_and_every_record_is_returned(self) -> None:
        store, provider = FakeStore.of(1, 2), FakeProvider()
        results = await run(store, provider, message(1), message(2), malformed("x"), seconds=0)
        assert errors(results) == {
            "m-1": "too little time was left to start",
            "m-2": "too little time was left to start",
            "x": "the record has no body",
        }
        assert [ticket.attempt for ticket in store.tickets.values()] == [0, 0]
        assert provider.asked == []

    async def test_an_unfinished_ticket_is_released_at_the_deadline(self) -> None:
        store, provider = FakeStore.of(1, 2), FakeProvider(stuck={1})
        results = await run(store, provider, message(1), message(2), seconds=0.2)
        assert errors(results) == {"m-1": "the invocation's time ran out", "m-2": None}
        assert store.tickets[1].status is TicketStatus.NEW
        assert store.tickets[1].error == "the invocation's time ran out"

    async def test_no_ticket_of_a_group_starts_after_the_deadline(self) -> None:
        provider = FakeProvider(stuck={1})
        results = await run(
            FakeStore.of(1, 2), provider, message(1, group="g"), message(2, group="g"), seconds=0.2
        )
        assert failed(results) == ["m-1", "m-2"]
        assert 2 not in {ticket for ticket, _ in provider.asked}

    async def test_two_records_of_one_ticket_get_the_same_error_at_the_deadline(self) -> None:
        store = FakeStore.of(1)
        results = await run(
            store, FakeProvider(stuck={1}), message(1, name="a"), message(1, name="b"), seconds=0.2
        )
        assert set(errors(results).values()) == {"the invocation's time ran out"}
        assert store.tickets[1].error == "the invocation's time ran out"

    async def test_no_ticket_starts_if_the_claim_took_all_the_time(self) -> None:
        class SlowStore(FakeStore):
            async def claim(
                self, messages: Sequence[TicketMessage], *, token: UUID, lease: timedelta, environment_id: str
            ) -> Mapping[int, Claim]:
                time.sleep(0.2)  # noqa: ASYNC251 - no other task may notice the time
                return await super().claim(messages, token=token, lease=lease, environment_id=environment_id)

        store, provider = SlowStore.of(1), FakeProvider()
        results = await run(store, provider, message(1), seconds=0.1)
        await asyncio.sleep(0)
        assert errors(results) == {"m-1": "too little time was left to start"}
        assert provider.asked == []
        assert store.tickets[1].status is TicketStatus.NEW


class TestFailures:
    async def test_a_failed_claim_is_the_error_of_every_record(self) -> None:
        store = FakeStore.of(1, 2)
        store.failing["claim"] = UNREACHABLE
        results = await run(store, FakeProvider(), message(1), malformed("x"), message(2))
        assert errors(results) == {
            "m-1": "ConnectionRefusedError: connection refused",
            "x": "the record has no body",
            "m-2": "ConnectionRefusedError: connection refused",
        }
        assert store.tickets[1].error == "ConnectionRefusedError: connection refused"

    async def test_a_worker_that_lost_its_lease_writes_nothing(self) -> None:
        class StolenStore(FakeStore):
            async def finish(
                self, ticket_id: int, token: UUID, outcome: PipelineResult, steps: Sequence[StepRecord]
            ) -> bool:
                self.change(ticket_id, lease_token=uuid4())
                return await super().finish(ticket_id, token, outcome, steps)

        store = StolenStore.of(1)
        results = await run(store, FakeProvider(), message(1))
        assert errors(results) == {"m-1": "the lease on ticket 1 ended before the work was done"}
        assert store.tickets[1].error is None
        assert store.tickets[1].lease_token is not None

    async def test_the_ticket_fails_at_the_last_delivery(self) -> None:
        store = FakeStore.of(1, 2)
        provider = FakeProvider(failing={(1, Step.CLASSIFY): DOWN, (2, Step.CLASSIFY): DOWN})
        await run(store, provider, message(1, receive_count=2), message(2, receive_count=3))
        assert [store.tickets[n].status for n in (1, 2)] == [TicketStatus.NEW, TicketStatus.FAILED]

    async def test_each_failed_record_is_logged_once_with_its_exception(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        provider = FakeProvider(failing={(2, Step.CLASSIFY): DOWN})
        results = await run(FakeStore.of(1, 2), provider, message(1), message(2), malformed("x"))
        errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
        assert [record.__dict__["message_id"] for record in errors] == ["m-2", "x"]
        assert [record.exc_info and record.exc_info[1] for record in errors] == [
            result.error for result in results if result.error is not None
        ]

    async def test_an_error_that_cannot_be_written_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        store = FakeStore.of(1)
        store.failing["release"] = UNREACHABLE
        provider = FakeProvider(failing={(1, Step.CLASSIFY): DOWN})
        assert failed(await run(store, provider, message(1))) == ["m-1"]
        last = caplog.records[-1]
        assert "could not be written" in last.getMessage()
        assert last.exc_info
        assert last.exc_info[1] is UNREACHABLE


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("Task <Task> got Future <Future pending> attached to a different loop"),
        RuntimeError("Event loop is closed"),
        RuntimeError("unable to perform operation on <UnixTransport closed=True>; the handler is closed"),
        OSError("cannot perform operation: another operation is in progress"),
    ],
)
def test_an_error_of_a_closed_loop_names_its_cause_and_fix(error: Exception) -> None:
    text = describe_error(error)
    assert "belongs to a closed event loop" in text
    assert "TICKETCTL_POOL=null" in text
    assert "TICKETCTL_LOOP=runner" in text
    assert text.endswith(f"({type(error).__name__}: {error})")


def test_a_database_error_on_a_ticket_contains_no_sql_and_no_parameters() -> None:
    driver = OSError("cannot perform operation: another operation is in progress")
    error = DBAPIError("update tickets set draft = :draft", {"draft": "secret"}, driver)
    text = describe_error(error)
    assert text.endswith("(DBAPIError: cannot perform operation: another operation is in progress)")
    assert "belongs to a closed event loop" in text


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("no"), "ValueError: no"),
        (TimeoutError(), "TimeoutError"),
        (asyncio.CancelledError(), "CancelledError"),
        (LeaseLostError("lost"), "lost"),
        (ValueError("half a pair: \ud800"), "ValueError: half a pair: \\ud800"),
    ],
)
def test_the_text_of_other_errors(error: BaseException, text: str) -> None:
    assert describe_error(error) == text
