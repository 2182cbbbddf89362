"""The embedded queue: deliveries, receipts, dead letters."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest

from tests import people
from ticketctl.postgres.decisions import PostgresDecisions
from ticketctl.postgres.error_mapping import ErrorMappingConnections
from ticketctl.postgres.outbox import PostgresOutbox
from ticketctl.postgres.store import PostgresStore
from ticketctl.queues.embedded import PostgresQueue
from ticketctl.settings import Settings
from ticketctl.tickets.messages import TicketMessage, parse_event
from ticketctl.tickets.protocols import RecordFailure
from ticketctl.tickets.queue_protocols import Delivery
from ticketctl.tickets.statuses import TicketStatus

Make = Callable[[int], Awaitable[list[int]]]
Act = Callable[[], Awaitable[None]]
Exhaust = Callable[[], Awaitable[Delivery]]
LEASE = timedelta(seconds=60)


def message_of(delivery: Delivery) -> TicketMessage:
    (message,) = parse_event({"Records": [delivery.record]})
    assert isinstance(message, TicketMessage)
    return message


async def receive_one(queue: PostgresQueue) -> Delivery:
    (delivery,) = await queue.receive(1, wait=0)
    return delivery


async def attempt(connection: asyncpg.Connection, delivery: Delivery) -> None:
    """Record an attempt for a delivery, as a claim does."""
    await connection.execute(
        "insert into attempts (ticket_id, attempt, message_id, receive_count, ended_at, outcome) "
        "select id, attempt + 1000 + $2, $3, $2, now(), 'failed' from tickets where id = $1",
        message_of(delivery).ticket_id,
        delivery.receive_count,
        delivery.message_id,
    )


@pytest.fixture
async def without_nested_loops(other: asyncpg.Connection) -> AsyncIterator[None]:
    """Let new connections join by hash: then the rows of an update come in the order of the table."""
    database = await other.fetchval("select quote_ident(current_database())")
    await other.execute(f"alter database {database} set enable_nestloop = off")
    yield
    await other.execute(f"alter database {database} reset enable_nestloop")


@pytest.fixture
def exhaust(queue: PostgresQueue, show_again: Act, other: asyncpg.Connection) -> Exhaust:
    """Deliver the only message up to its maximum receive count, each time with an attempt; make it visible again."""

    async def deliver() -> Delivery:
        for _ in range(3):
            delivery = await receive_one(queue)
            await attempt(other, delivery)
            await show_again()
        return delivery

    return deliver


async def test_a_message_names_its_ticket_and_its_delivery(queue: PostgresQueue, make: Make) -> None:
    (ticket_id,) = await make(1)
    delivery = await receive_one(queue)
    message = message_of(delivery)
    assert (message.ticket_id, message.receive_count) == (ticket_id, 1)
    assert message.message_id == delivery.message_id


async def test_the_oldest_messages_come_first_and_are_hidden(queue: PostgresQueue, make: Make) -> None:
    ids = await make(3)
    first = await queue.receive(2, wait=0)
    second = await queue.receive(2, wait=0)
    assert [message_of(delivery).ticket_id for delivery in [*first, *second]] == ids
    assert await queue.receive(2, wait=0) == []


@pytest.mark.usefixtures("without_nested_loops")
async def test_a_batch_is_in_order_whichever_join_the_planner_chooses(
    queue: PostgresQueue, outbox: PostgresOutbox, make: Make, other: asyncpg.Connection
) -> None:
    ids = await make(20)
    oldest_last = "update messages set visible_at = now() - ticket_id * interval '1 second'"
    await other.execute(oldest_last)
    delivered = [message_of(delivery).ticket_id for delivery in await queue.receive(20, wait=0)]
    await other.execute(oldest_last)
    sent = [json.loads(message.body)["ticket_id"] for message in await outbox.claim(20)]
    assert (delivered, sent) == (ids[::-1], ids[::-1])


async def test_receive_waits_for_a_message(queue: PostgresQueue, make: Make) -> None:
    assert await queue.receive(1, wait=0.01) == []
    await make(1)
    assert len(await queue.receive(1, wait=60)) == 1


async def test_a_deleted_message_is_not_delivered_again(
    queue: PostgresQueue, make: Make, show_again: Act
) -> None:
    await make(1)
    await queue.delete([await receive_one(queue)])
    await show_again()
    assert await queue.receive(1, wait=0) == []
    assert await queue.count_backlog() == 0


async def test_an_older_receipt_settles_nothing(queue: PostgresQueue, make: Make, show_again: Act) -> None:
    await make(1)
    late = await receive_one(queue)
    await show_again()
    current = await receive_one(queue)
    assert current.receive_count == late.receive_count
    await queue.release([late])
    await queue.extend([late])
    assert await queue.receive(1, wait=0) == []
    await queue.delete([late])
    assert await queue.count_backlog() == 1
    await queue.delete([current])
    assert await queue.count_backlog() == 0


async def test_a_released_message_is_visible_again_after_a_pause(
    queue: PostgresQueue, make: Make, other: asyncpg.Connection
) -> None:
    await make(1)
    await queue.release([await receive_one(queue)])
    assert await queue.receive(1, wait=0) == []
    hidden = await other.fetchval("select visible_at - now() from messages")
    assert timedelta(0) < hidden <= timedelta(seconds=1)


async def test_the_pause_grows_with_each_delivery_up_to_the_visibility_timeout(
    mapped: ErrorMappingConnections, make: Make, other: asyncpg.Connection
) -> None:
    patient = PostgresQueue(mapped, Settings(max_receive_count=100_000, visibility_timeout=60))
    await make(1)
    for count, seconds in ((6, 32), (7, 60), (50_000, 60)):
        await other.execute("update messages set delivery_number = $1, visible_at = now()", count - 1)
        await patient.release([await receive_one(patient)])
        hidden = await other.fetchval("select extract(epoch from visible_at - now()) from messages")
        assert seconds / 2 < hidden <= seconds


async def test_a_message_of_a_leased_ticket_is_visible_when_the_lease_ends(
    queue: PostgresQueue, make: Make, store: PostgresStore, other: asyncpg.Connection
) -> None:
    await make(1)
    delivery = await receive_one(queue)
    await store.claim([message_of(delivery)], token=uuid4(), lease=LEASE, environment_id="e")
    await queue.release([delivery])
    assert await other.fetchval("select m.visible_at = t.lease_until from messages m, tickets t")


async def test_a_spent_message_becomes_a_dead_letter_and_its_ticket_fails(
    queue: PostgresQueue, make: Make, store: PostgresStore, exhaust: Exhaust
) -> None:
    (ticket_id,) = await make(1)
    await exhaust()
    assert await queue.receive(1, wait=0) == []
    (letter,) = await queue.list_dead_letters(10)
    assert (letter.ticket_id, letter.receive_count) == (ticket_id, 3)
    details = await store.get_details(ticket_id)
    assert details is not None
    assert details.ticket.status is TicketStatus.FAILED
    assert details.ticket.error is not None
    assert letter.reason == details.ticket.error
    assert await queue.count_backlog() == 0


async def test_spent_messages_take_no_place_in_a_batch(
    queue: PostgresQueue, make: Make, exhaust: Exhaust
) -> None:
    await make(1)
    await exhaust()
    (living,) = await make(1)
    (delivery,) = await queue.receive(1, wait=1)
    assert message_of(delivery).ticket_id == living


async def test_the_tickets_error_is_the_dead_letters_reason(
    queue: PostgresQueue, make: Make, store: PostgresStore, exhaust: Exhaust
) -> None:
    await make(1)
    message = message_of(await exhaust())
    failure = RecordFailure(message=message, error="the provider is down", final=False)
    await store.release([failure], token=uuid4(), environment_id="e")
    await queue.receive(1, wait=0)
    (letter,) = await queue.list_dead_letters(10)
    assert letter.reason == "the provider is down"


async def test_a_spent_message_waits_while_a_worker_holds_its_ticket(
    queue: PostgresQueue,
    make: Make,
    store: PostgresStore,
    show_again: Act,
    other: asyncpg.Connection,
    exhaust: Exhaust,
) -> None:
    (ticket_id,) = await make(1)
    message = message_of(await exhaust())
    await store.claim([message], token=uuid4(), lease=LEASE, environment_id="e")
    assert await queue.receive(1, wait=0) == []
    assert await queue.list_dead_letters(10) == []
    assert await other.fetchval("select m.visible_at = t.lease_until from messages m, tickets t")
    await other.execute("update tickets set lease_until = now() - interval '1 second'")
    await show_again()
    await queue.receive(1, wait=0)
    details = await store.get_details(ticket_id)
    assert details is not None
    assert details.ticket.status is TicketStatus.FAILED
    assert details.attempts[0].outcome == "lost"


async def test_a_spent_message_of_a_settled_ticket_is_a_dead_letter_that_leaves_the_ticket_alone(
    queue: PostgresQueue,
    make: Make,
    store: PostgresStore,
    decisions: PostgresDecisions,
    exhaust: Exhaust,
) -> None:
    (ticket_id,) = await make(1)
    await exhaust()
    await people.close(decisions, ticket_id)
    await queue.receive(1, wait=0)
    (letter,) = await queue.list_dead_letters(10)
    assert (letter.ticket_id, letter.reason) == (ticket_id, "its ticket is closed already")
    details = await store.get_details(ticket_id)
    assert details is not None
    assert (details.ticket.status, details.ticket.error) == (TicketStatus.CLOSED, None)
    assert await queue.count_backlog() == 0


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("nonsense", "the body is not a ticket message"),
        ("", "the body is not a ticket message"),
        ('{"ticket_id": 999999999}', "there is no such ticket"),
    ],
)
async def test_a_message_that_can_never_succeed_becomes_a_dead_letter_when_it_is_first_released(
    queue: PostgresQueue, other: asyncpg.Connection, body: str, reason: str
) -> None:
    await other.execute("insert into messages (ticket_id, body) values (999999999, $1)", body)
    delivery = await receive_one(queue)
    assert await queue.release([delivery]) == [delivery.message_id]
    (letter,) = await queue.list_dead_letters(10)
    assert (letter.ticket_id, letter.body) == (None, body)
    assert reason in str(letter.reason)
    assert await queue.count_backlog() == 0


async def test_only_deliveries_with_an_attempt_are_counted(
    queue: PostgresQueue, make: Make, show_again: Act, other: asyncpg.Connection
) -> None:
    await make(1)
    for _ in range(5):
        delivery = await receive_one(queue)
        assert delivery.receive_count == 1
        assert await queue.release([delivery]) == []
        await show_again()
    await attempt(other, await receive_one(queue))
    await show_again()
    assert (await receive_one(queue)).receive_count == 2


async def test_a_delivery_whose_receiver_died_before_the_claim_is_not_counted(
    queue: PostgresQueue, make: Make, show_again: Act
) -> None:
    await make(1)
    for _ in range(5):
        assert (await receive_one(queue)).receive_count == 1
        await show_again()
    assert await queue.list_dead_letters(10) == []


async def test_release_returns_the_messages_that_are_given_up(
    queue: PostgresQueue, make: Make, show_again: Act, other: asyncpg.Connection
) -> None:
    await make(1)
    given_up = []
    for _ in range(3):
        delivery = await receive_one(queue)
        await attempt(other, delivery)
        given_up.append(await queue.release([delivery]))
        await show_again()
    assert given_up == [[], [], [delivery.message_id]]
    assert await queue.receive(1, wait=0) == []
    assert len(await queue.list_dead_letters(10)) == 1


async def test_extend_hides_a_message_for_another_visibility_timeout(
    queue: PostgresQueue, make: Make, other: asyncpg.Connection
) -> None:
    await make(1)
    delivery = await receive_one(queue)
    await other.execute("update messages set visible_at = now() + interval '1 second'")
    await queue.extend([delivery])
    hidden = await other.fetchval("select visible_at - now() from messages")
    assert timedelta(seconds=50) < hidden <= timedelta(seconds=60)
    await queue.delete([delivery])
    assert await queue.count_backlog() == 0


async def test_redrive_enqueues_a_new_message(queue: PostgresQueue, make: Make, exhaust: Exhaust) -> None:
    (ticket_id,) = await make(1)
    before = await exhaust()
    await queue.receive(1, wait=0)
    letters = await queue.list_dead_letters(10)
    assert await queue.redrive(letters) == 1
    assert await queue.redrive(letters) == 0
    after = await receive_one(queue)
    assert (message_of(after).ticket_id, after.receive_count) == (ticket_id, 1)
    await queue.delete([before])
    assert await queue.count_backlog() == 1


async def test_dead_letters_can_be_purged(queue: PostgresQueue, make: Make, exhaust: Exhaust) -> None:
    await make(1)
    await exhaust()
    await queue.receive(1, wait=0)
    letters = await queue.list_dead_letters(10)
    assert await queue.purge(letters) == 1
    assert await queue.purge(letters) == 0
    assert await queue.list_dead_letters(10) == []


async def test_purge_deletes_only_dead_letters(queue: PostgresQueue, make: Make, exhaust: Exhaust) -> None:
    await make(1)
    await exhaust()
    await queue.receive(1, wait=0)
    (letter,) = await queue.list_dead_letters(10)
    await queue.redrive([letter])
    assert await queue.purge([letter]) == 0
    assert await queue.count_backlog() == 1
