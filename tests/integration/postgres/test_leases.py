"""Leases that are extended, and records that were not attempted."""

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest

from ticketctl.postgres.store import PostgresStore
from ticketctl.tickets.messages import TicketMessage
from ticketctl.tickets.models import NewTicket
from ticketctl.tickets.protocols import RecordFailure

Ask = Callable[[str], str]
LEASE = timedelta(minutes=1)


@pytest.fixture
async def message(store: PostgresStore) -> TicketMessage:
    """The message of a new ticket."""
    ticket, _ = await store.create(NewTicket(subject="Fire"))
    return TicketMessage(message_id="m-1", ticket_id=ticket.id, receive_count=2)


def failure(message: TicketMessage, *, attempted: bool = False, final: bool = False) -> RecordFailure:
    return RecordFailure(message=message, error="no connection", final=final, attempted=attempted)


async def test_a_ticket_that_was_never_claimed_keeps_its_attempts_and_names_the_cause(
    store: PostgresStore, ask: Ask, message: TicketMessage
) -> None:
    for _ in range(2):
        await store.release([failure(message)], token=uuid4(), environment_id="e")
    assert ask("select status, attempt, error from tickets") == "new|0|no connection"
    assert ask("select count(*) from attempts") == "0"


async def test_a_claim_that_took_effect_without_an_attempt_is_undone(
    store: PostgresStore, ask: Ask, message: TicketMessage
) -> None:
    await store.claim([message], token=uuid4(), lease=timedelta(0), environment_id="e")
    token = uuid4()
    await store.claim([message], token=token, lease=LEASE, environment_id="e")
    await store.release([failure(message)], token=token, environment_id="e")
    assert ask("select status, attempt, error, lease_token from tickets") == "new|1|no connection|"
    assert ask("select attempt, outcome from attempts") == "1|lost"


async def test_a_ticket_of_another_worker_stays_as_it_is(
    store: PostgresStore, ask: Ask, message: TicketMessage
) -> None:
    await store.claim([message], token=uuid4(), lease=LEASE, environment_id="e")
    before = ask("select * from tickets; select * from attempts")
    await store.release([failure(message)], token=uuid4(), environment_id="e")
    await store.extend_leases([message.ticket_id], token=uuid4(), lease=LEASE * 2)
    assert ask("select * from tickets; select * from attempts") == before


async def test_attempted_and_other_records_of_one_batch(
    store: PostgresStore, ask: Ask, message: TicketMessage
) -> None:
    ticket, _ = await store.create(NewTicket(subject="Flood"))
    second, token = TicketMessage(message_id="m-2", ticket_id=ticket.id), uuid4()
    await store.claim([message, second], token=token, lease=LEASE, environment_id="e")
    failures = [failure(message, attempted=True, final=True), failure(second)]
    await store.release(failures, token=token, environment_id="e")
    assert ask("select status, attempt from tickets order by id") == "failed|1\nnew|0"
    assert ask("select message_id, outcome from attempts") == "m-1|failed"


@pytest.mark.parametrize("claimed", [True, False])
async def test_an_attempt_that_ran_out_of_time_does_not_use_up_its_delivery(
    store: PostgresStore, ask: Ask, message: TicketMessage, *, claimed: bool
) -> None:
    token = uuid4()
    if claimed:
        await store.claim([message], token=token, lease=LEASE, environment_id="e")
    late = RecordFailure(message=message, error="late", final=False, spent=False)
    await store.release([late], token=token, environment_id="e")
    assert ask("select status, attempt, error from tickets") == "new|1|late"
    assert ask("select message_id, receive_count, outcome from attempts") == "m-1||failed"


async def test_a_held_lease_is_extended_from_now(
    store: PostgresStore, ask: Ask, message: TicketMessage
) -> None:
    token = uuid4()
    await store.claim([message], token=token, lease=timedelta(seconds=1), environment_id="e")
    await store.extend_leases([message.ticket_id], token=token, lease=LEASE)
    assert (
        ask("select lease_until between now() + interval '50 s' and now() + interval '60 s' from tickets")
        == "t"
    )
