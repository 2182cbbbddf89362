"""The worker's statements on a real database: claim, save, finish and release, each under its lease token."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests import people
from ticketctl.postgres.decisions import PostgresDecisions
from ticketctl.postgres.store import PostgresStore
from ticketctl.tickets.messages import TicketMessage
from ticketctl.tickets.models import (
    Classification,
    Draft,
    Entity,
    Extraction,
    NewTicket,
    Route,
    Step,
    StepRecord,
    Ticket,
    TicketDetails,
)
from ticketctl.tickets.protocols import Claim, PipelineResult, RecordFailure
from ticketctl.tickets.statuses import TicketStatus

LEASE = timedelta(minutes=1)
OUTCOME = PipelineResult(
    status=TicketStatus.PROCESSED,
    classification=Classification(
        category="billing",
        priority="high",
        sentiment="negative",
        language="en",
        confidence=0.75,
        method="rules",
    ),
    extraction=Extraction(entities=(Entity(kind="order_id", value="A-1", start=0, end=3),)),
    route=Route(team="finance", rule="by category", reason="billing"),
    draft=Draft(text="Dear Ada", method="template"),
)


def step(name: Step, output: dict[str, Any] | None = None, prompt_hash: str = "1") -> StepRecord:
    return StepRecord(
        step=name,
        output={"x": 1} if output is None else output,
        provider="fake",
        model="fake-1",
        prompt_hash=prompt_hash,
        input_tokens=7,
        output_tokens=3,
        duration_ms=1.5,
    )


def message(ticket_id: int, name: str = "m", receive_count: int = 1) -> TicketMessage:
    return TicketMessage(message_id=name, ticket_id=ticket_id, receive_count=receive_count)


async def make(store: PostgresStore, number: int = 1) -> list[int]:
    return [(await store.create(NewTicket(subject=f"ticket {n}")))[0].id for n in range(number)]


async def claim(
    store: PostgresStore, token: UUID, *ticket_ids: int, lease: timedelta = LEASE
) -> dict[int, Claim]:
    wanted = [message(ticket_id, f"m-{ticket_id}") for ticket_id in ticket_ids]
    return dict(await store.claim(wanted, token=token, lease=lease, environment_id="e-1"))


async def release(
    store: PostgresStore, token: UUID, ticket_id: int, *, error: str = "it broke", final: bool = False
) -> None:
    failure = RecordFailure(message=message(ticket_id, "m-back", 4), error=error, final=final)
    await store.release([failure], token=token, environment_id="e-1")


async def details(store: PostgresStore, ticket_id: int) -> TicketDetails:
    found = await store.get_details(ticket_id)
    assert found is not None
    return found


class TestClaim:
    async def test_claim_leases_a_new_ticket_and_starts_an_attempt(self, store: PostgresStore) -> None:
        [ticket_id] = await make(store)
        token = uuid4()
        claimed = (await claim(store, token, ticket_id))[ticket_id]
        assert claimed.ticket is not None
        assert (claimed.ticket.status, claimed.ticket.attempt) == (TicketStatus.PROCESSING, 1)
        assert claimed.ticket.lease_token == token
        assert claimed.ticket.lease_until is not None
        assert timedelta(0) < claimed.ticket.lease_until - datetime.now(UTC) <= LEASE
        assert claimed.steps == {}
        [attempt] = (await details(store, ticket_id)).attempts
        assert (attempt.attempt, attempt.message_id, attempt.receive_count) == (1, f"m-{ticket_id}", 1)
        assert (attempt.environment_id, attempt.outcome, attempt.ended_at) == ("e-1", None, None)

    async def test_claim_of_a_leased_ticket_is_refused_with_the_end_of_the_lease(
        self, store: PostgresStore
    ) -> None:
        [ticket_id] = await make(store)
        first = (await claim(store, uuid4(), ticket_id))[ticket_id].ticket
        second = (await claim(store, uuid4(), ticket_id))[ticket_id]
        assert first is not None
        assert (second.ticket, second.status) == (None, TicketStatus.PROCESSING)
        assert second.lease_until == first.lease_until
        assert (await details(store, ticket_id)).ticket == first

    async def test_a_ticket_with_an_expired_lease_can_be_claimed(self, store: PostgresStore) -> None:
        [ticket_id] = await make(store)
        await claim(store, uuid4(), ticket_id, lease=timedelta(0))
        second = (await claim(store, uuid4(), ticket_id))[ticket_id].ticket
        assert second is not None
        assert second.attempt == 2
        assert len((await details(store, ticket_id)).attempts) == 2

    async def test_the_next_claim_marks_unended_attempts_as_lost(
        self, store: PostgresStore, ask: Callable[[str], str]
    ) -> None:
        [ticket_id] = await make(store)
        for _ in range(3):
            await claim(store, uuid4(), ticket_id, lease=timedelta(0))
        outcomes = [attempt.outcome for attempt in (await details(store, ticket_id)).attempts]
        assert outcomes == ["lost", "lost", None]
        # the second worker also ended, before it marked the first attempt as lost
        ask("update attempts set ended_at = null, outcome = null, error = null where attempt = 1")
        await claim(store, uuid4(), ticket_id)
        attempts = (await details(store, ticket_id)).attempts
        assert [attempt.outcome for attempt in attempts] == ["lost", "lost", "lost", None]
        assert all(attempt.ended_at for attempt in attempts[:3])

    @pytest.mark.parametrize("status", ["processed", "needs_review", "failed", "closed"])
    async def test_settled_tickets_cannot_be_claimed(
        self, store: PostgresStore, ask: Callable[[str], str], status: str
    ) -> None:
        [ticket_id] = await make(store)
        ask(f"update tickets set status = '{status}'")  # noqa: S608 - a status of the test's own
        claimed = (await claim(store, uuid4(), ticket_id))[ticket_id]
        assert (claimed.ticket, claimed.status) == (None, TicketStatus(status))
        assert (await details(store, ticket_id)).attempts == []

    async def test_claim_of_an_unknown_ticket_is_refused_without_a_status(self, store: PostgresStore) -> None:
        [ticket_id] = await make(store)
        claims = await claim(store, uuid4(), ticket_id, 2**63 - 1)
        assert claims[ticket_id].ticket is not None
        missing = claims[2**63 - 1]
        assert (missing.ticket, missing.status, missing.steps) == (None, None, {})

    async def test_two_messages_of_one_ticket_in_a_batch_are_one_attempt(self, store: PostgresStore) -> None:
        [ticket_id] = await make(store)
        wanted = [message(ticket_id, "first"), message(ticket_id, "second")]
        claims = await store.claim(wanted, token=uuid4(), lease=LEASE, environment_id="e-1")
        assert list(claims) == [ticket_id]
        [attempt] = (await details(store, ticket_id)).attempts
        assert attempt.message_id == "first"

    async def test_a_frozen_transaction_does_not_block_claims_of_other_tickets(
        self, store: PostgresStore, other: asyncpg.Connection
    ) -> None:
        first, frozen, last = await make(store, 3)
        async with other.transaction():
            await other.execute("update tickets set subject = 'mine' where id = $1", frozen)
            claims = await claim(store, uuid4(), first, frozen, last)
        assert claims[first].ticket is not None
        assert claims[last].ticket is not None
        assert (claims[frozen].ticket, claims[frozen].status) == (None, TicketStatus.NEW)
        assert (await claim(store, uuid4(), frozen))[frozen].ticket is not None

    async def test_concurrent_claims_share_no_ticket(self, store: PostgresStore) -> None:
        tickets = await make(store, 5)
        orders = [tickets, tickets[::-1]] * 8
        claims = await asyncio.gather(*(claim(store, uuid4(), *order) for order in orders))
        winners = [sum(made[ticket_id].ticket is not None for made in claims) for ticket_id in tickets]
        assert winners == [1] * 5


class TestSteps:
    async def test_the_next_claim_returns_saved_steps(self, store: PostgresStore) -> None:
        [ticket_id] = await make(store)
        token = uuid4()
        await claim(store, token, ticket_id)
        saved = step(Step.CLASSIFY, {"category": "é", "deep": [1, None, {"a": True}]})
        assert await store.save_step(ticket_id, token, saved)
        await release(store, token, ticket_id)
        steps = (await claim(store, uuid4(), ticket_id))[ticket_id].steps
        assert dict(steps) == {Step.CLASSIFY: saved}

    async def test_saving_a_step_again_replaces_it(self, store: PostgresStore) -> None:
        [ticket_id] = await make(store)
        token = uuid4()
        await claim(store, token, ticket_id)
        await store.save_step(ticket_id, token, step(Step.EXTRACT, prompt_hash="1"))
        await store.save_step(ticket_id, token, step(Step.EXTRACT, {"x": 2}, prompt_hash="2"))
        [saved] = (await details(store, ticket_id)).steps
        assert (saved.prompt_hash, saved.output) == ("2", {"x": 2})
        assert saved.created_at is not None

    async def test_nul_characters_are_removed_and_nothing_else(self, store: PostgresStore) -> None:
        [ticket_id] = await make(store)
        token = uuid4()
        await claim(store, token, ticket_id)
        output = {"text": "a\0b", "path": r"C:\u0000 \\u0000", "both": "\\\0\\u0000\0", "\0key": "\ufffe"}
        assert await store.save_step(ticket_id, token, step(Step.CLASSIFY, output))
        [saved] = (await details(store, ticket_id)).steps
        assert saved.output == {
            "text": "ab",
            "path": r"C:\u0000 \\u0000",
            "both": "\\\\u0000",
            "key": "\ufffe",
        }


class TestFinish:
    async def test_finish_writes_the_result_and_ends_the_attempt(self, store: PostgresStore) -> None:
        [ticket_id] = await make(store)
        token = uuid4()
        await claim(store, token, ticket_id)
        assert await store.finish(ticket_id, token, OUTCOME, [step(name) for name in Step])
        done = await details(store, ticket_id)
        ticket = done.ticket
        assert (ticket.status, ticket.category, ticket.priority) == (
            TicketStatus.PROCESSED,
            "billing",
            "high",
        )
        assert (ticket.sentiment, ticket.language, ticket.confidence) == ("negative", "en", 0.75)
        assert (ticket.team, ticket.draft) == ("finance", "Dear Ada")
        assert ticket.extracted == [{"kind": "order_id", "value": "A-1", "start": 0, "end": 3}]
        assert (ticket.lease_token, ticket.lease_until, ticket.error) == (None, None, None)
        assert ticket.processed_at is not None
        assert [record.step for record in done.steps] == list(Step)
        [attempt] = done.attempts
        assert attempt.outcome == "processed"
        assert attempt.ended_at is not None
        assert attempt.ended_at >= attempt.started_at

    async def test_finish_keeps_fields_set_by_a_person(
        self, store: PostgresStore, ask: Callable[[str], str]
    ) -> None:
        [ticket_id] = await make(store)
        ask(
            "update tickets set category = 'sales', draft = 'Mine', set_by_human = '[\"category\", \"draft\"]'"
        )
        token = uuid4()
        await claim(store, token, ticket_id)
        await store.finish(ticket_id, token, OUTCOME, [])
        ticket = (await details(store, ticket_id)).ticket
        assert (ticket.category, ticket.draft, ticket.team) == ("sales", "Mine", "finance")
        assert ticket.set_by_human == ["category", "draft"]

    async def test_finish_clears_the_error_of_an_earlier_attempt(self, store: PostgresStore) -> None:
        [ticket_id] = await make(store)
        first, second = uuid4(), uuid4()
        await claim(store, first, ticket_id)
        await release(store, first, ticket_id, error="it broke")
        await claim(store, second, ticket_id)
        await store.finish(ticket_id, second, OUTCOME, [])
        done = await details(store, ticket_id)
        assert done.ticket.error is None
        assert [(a.attempt, a.outcome, a.error) for a in done.attempts] == [
            (1, "failed", "it broke"),
            (2, "processed", None),
        ]

    async def test_a_draft_with_a_nul_character(self, store: PostgresStore) -> None:
        [ticket_id] = await make(store)
        token = uuid4()
        await claim(store, token, ticket_id)
        outcome = replace(OUTCOME, draft=Draft(text="a\0b", method="model"))
        assert await store.finish(ticket_id, token, outcome, [])
        assert (await details(store, ticket_id)).ticket.draft == "ab"


class TestLostLease:
    """A worker that lost its lease writes nothing: no step, no result, no failure."""

    @staticmethod
    async def _nothing_can_be_written(store: PostgresStore, ticket_id: int, token: UUID) -> None:
        before = await details(store, ticket_id)
        assert not await store.save_step(ticket_id, token, step(Step.CLASSIFY))
        assert not await store.finish(ticket_id, token, OUTCOME, [step(Step.RESPOND)])
        await release(store, token, ticket_id)
        assert await details(store, ticket_id) == before

    async def test_a_write_is_refused_when_another_worker_holds_the_lease(self, store: PostgresStore) -> None:
        [ticket_id] = await make(store)
        token = uuid4()
        await claim(store, token, ticket_id, lease=timedelta(0))
        await claim(store, uuid4(), ticket_id)
        await self._nothing_can_be_written(store, ticket_id, token)

    async def test_a_write_is_refused_when_another_worker_has_finished(self, store: PostgresStore) -> None:
        [ticket_id] = await make(store)
        token, other = uuid4(), uuid4()
        await claim(store, token, ticket_id, lease=timedelta(0))
        await claim(store, other, ticket_id)
        await store.finish(ticket_id, other, OUTCOME, [])
        await self._nothing_can_be_written(store, ticket_id, token)

    async def test_a_write_is_refused_when_a_person_closed_the_ticket(
        self, store: PostgresStore, decisions: PostgresDecisions
    ) -> None:
        [ticket_id] = await make(store)
        token = uuid4()
        await claim(store, token, ticket_id)
        await people.close(decisions, ticket_id)
        await self._nothing_can_be_written(store, ticket_id, token)
        assert (await details(store, ticket_id)).ticket.status is TicketStatus.CLOSED

    async def test_a_write_is_refused_when_the_ticket_is_unknown(self, store: PostgresStore) -> None:
        assert not await store.save_step(7, uuid4(), step(Step.CLASSIFY))
        assert not await store.finish(7, uuid4(), OUTCOME, [step(Step.RESPOND)])
        await release(store, uuid4(), 7)
        assert await store.get_details(7) is None


class TestWriteError:
    async def test_an_error_on_a_new_ticket_counts_no_attempt(self, store: PostgresStore) -> None:
        ticket, _ = await store.create(NewTicket(subject="Fire"))
        await store.write_error([ticket.id], "no\0 connection")
        written = await details(store, ticket.id)
        assert (written.ticket.status, written.ticket.error) == (TicketStatus.NEW, "no connection")
        assert (written.ticket.attempt, written.attempts) == (0, [])

    async def test_a_claimed_ticket_is_left_alone(self, store: PostgresStore) -> None:
        ticket, _ = await store.create(NewTicket(subject="Fire"))
        message = TicketMessage(message_id="m", ticket_id=ticket.id)
        await store.claim([message], token=uuid4(), lease=timedelta(minutes=1), environment_id="e")
        before = await details(store, ticket.id)
        await store.write_error([ticket.id], "no connection")
        assert await details(store, ticket.id) == before


class TestRelease:
    @staticmethod
    def _free(ticket: Ticket) -> bool:
        return (ticket.lease_token, ticket.lease_until) == (None, None)

    @pytest.mark.parametrize(("final", "status"), [(False, TicketStatus.NEW), (True, TicketStatus.FAILED)])
    async def test_release_frees_the_ticket_and_writes_the_error(
        self, store: PostgresStore, *, final: bool, status: TicketStatus
    ) -> None:
        [ticket_id] = await make(store)
        token = uuid4()
        await claim(store, token, ticket_id)
        await release(store, token, ticket_id, error="it broke", final=final)
        released = await details(store, ticket_id)
        assert (released.ticket.status, released.ticket.error) == (status, "it broke")
        assert self._free(released.ticket)
        [attempt] = released.attempts
        assert (attempt.attempt, attempt.outcome, attempt.error) == (1, "failed", "it broke")
        assert attempt.ended_at is not None

    async def test_release_writes_an_attempt_when_the_claim_never_happened(
        self, store: PostgresStore
    ) -> None:
        [ticket_id] = await make(store)
        await release(store, uuid4(), ticket_id, error="no connection")
        released = await details(store, ticket_id)
        assert (released.ticket.status, released.ticket.error, released.ticket.attempt) == (
            TicketStatus.NEW,
            "no connection",
            1,
        )
        [attempt] = released.attempts
        assert (attempt.message_id, attempt.receive_count, attempt.environment_id) == ("m-back", 4, "e-1")
        assert attempt.outcome == "failed"

    async def test_release_writes_each_tickets_own_error(self, store: PostgresStore) -> None:
        first, second = await make(store, 2)
        token = uuid4()
        await claim(store, token, first)
        failures = [
            RecordFailure(message=message(first), error="one", final=False),
            RecordFailure(message=message(second), error="two", final=True),
            RecordFailure(message=message(2**62), error="three", final=True),
        ]
        await store.release(failures, token=token, environment_id="e-1")
        released = [(await details(store, ticket_id)).ticket for ticket_id in (first, second)]
        assert [(t.error, t.status) for t in released] == [
            ("one", TicketStatus.NEW),
            ("two", TicketStatus.FAILED),
        ]

    async def test_an_error_with_a_nul_character(self, store: PostgresStore) -> None:
        [ticket_id] = await make(store)
        await release(store, uuid4(), ticket_id, error="a\0b \\u0000")
        assert (await details(store, ticket_id)).ticket.error == "ab \\u0000"
