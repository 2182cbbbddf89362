"""Races between all statements: claim, finish, release, receive, delete, redrive, retry."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests import people
from tests.fakes import OUTCOME
from ticketctl.postgres.decisions import PostgresDecisions
from ticketctl.postgres.operations import PostgresOperations
from ticketctl.postgres.store import PostgresStore
from ticketctl.queues.embedded import PostgresQueue
from ticketctl.tickets.messages import TicketMessage
from ticketctl.tickets.protocols import RecordFailure
from ticketctl.tickets.statuses import TicketStatus

Make = Callable[[int], Awaitable[list[int]]]
LEASE = timedelta(seconds=60)


def message(ticket_id: int) -> TicketMessage:
    return TicketMessage(message_id=str(uuid4()), ticket_id=ticket_id)


async def claim(store: PostgresStore, ticket_ids: list[int], token: UUID) -> set[int]:
    """Claim tickets and return the ids that were free."""
    claims = await store.claim(
        [message(ticket_id) for ticket_id in ticket_ids], token=token, lease=LEASE, environment_id="e"
    )
    return {ticket_id for ticket_id, found in claims.items() if found.ticket is not None}


async def expire(other: asyncpg.Connection) -> None:
    """Let every lease expire. Like each statement that locks several tickets, this one locks them by id."""
    await other.execute(
        "with held as (select id from tickets order by id for no key update) "
        "update tickets t set lease_until = now() - interval '1 second' from held where t.id = held.id"
    )


async def test_overlapping_claims_neither_deadlock_nor_share_a_ticket(
    store: PostgresStore, make: Make, other: asyncpg.Connection
) -> None:
    ids, chance = await make(40), random.Random(4)  # noqa: S311 - a seed makes the run repeatable
    turns = asyncio.Semaphore(8)

    async def one() -> set[int]:
        async with turns:
            return await claim(store, chance.sample(ids, 10), uuid4())

    async def free() -> None:
        for _ in range(200):
            await expire(other)
            await asyncio.sleep(0)

    *claimed, _ = await asyncio.gather(*(one() for _ in range(1000)), free())
    assert sum(map(len, claimed)) == await other.fetchval("select sum(attempt) from tickets")
    assert await other.fetchval("select count(*) from attempts") == sum(map(len, claimed))


async def test_results_are_written_in_the_order_of_the_tickets(
    store: PostgresStore, make: Make, other: asyncpg.Connection, emptied_url: str
) -> None:
    ids, token = await make(2), uuid4()
    for ticket_id in reversed(
        ids
    ):  # the order of the rows in the table is now another one than that of their ids
        await claim(store, [ticket_id], token)
    locked = await asyncpg.connect(emptied_url)
    try:
        async with asyncio.timeout(20), locked.transaction():
            await locked.execute("select from tickets where id = $1 for update", ids[0])
            finishes = asyncio.gather(*(store.finish(n, token, OUTCOME, []) for n in ids))
            waiting = "exists(select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database())"
            while not await other.fetchval(f"select {waiting}"):  # noqa: ASYNC110 - the server sends no event to wait for
                await asyncio.sleep(0.02)
            # the statement that waits for the first ticket must not hold the second one yet
            assert await other.fetch("select id from tickets where id = $1 for update nowait", ids[1])
    finally:
        await locked.close()
    assert await finishes == [True, True]


async def test_two_concurrent_claims_share_no_ticket(store: PostgresStore, make: Make) -> None:
    ids = await make(20)
    one, other = await asyncio.gather(claim(store, ids, uuid4()), claim(store, ids[::-1], uuid4()))
    assert one | other == set(ids)
    assert not one & other


async def test_a_frozen_transaction_blocks_only_its_own_ticket(
    store: PostgresStore, make: Make, other: asyncpg.Connection
) -> None:
    ids = await make(10)
    async with asyncio.timeout(10), other.transaction():
        await other.execute("select from tickets where id = $1 for update", ids[4])
        assert await claim(store, ids, uuid4()) == set(ids) - {ids[4]}


async def test_only_the_lease_holders_result_is_written(
    store: PostgresStore, make: Make, other: asyncpg.Connection
) -> None:
    (ticket_id,) = await make(1)
    stale, current = uuid4(), uuid4()
    await claim(store, [ticket_id], stale)
    await expire(other)
    await claim(store, [ticket_id], current)
    finishes = await asyncio.gather(
        *(store.finish(ticket_id, token, OUTCOME, []) for token in (stale, current, stale, current))
    )
    assert finishes.count(True) == 1
    details = await store.get_details(ticket_id)
    assert details is not None
    assert [attempt.outcome for attempt in details.attempts] == ["lost", "processed"]


async def test_concurrent_release_and_finish_leave_one_result(store: PostgresStore, make: Make) -> None:
    for ticket_id in await make(20):
        token = uuid4()
        await claim(store, [ticket_id], token)
        failure = RecordFailure(message=message(ticket_id), error="too slow", final=False)
        finished, _ = await asyncio.gather(
            store.finish(ticket_id, token, OUTCOME, []),
            store.release([failure], token=token, environment_id="e"),
        )
        details = await store.get_details(ticket_id)
        assert details is not None
        assert (details.ticket.status is TicketStatus.PROCESSED) == finished
        assert [attempt.outcome for attempt in details.attempts] == ["processed" if finished else "failed"]


async def test_release_with_a_stale_token_changes_nothing(
    store: PostgresStore, make: Make, other: asyncpg.Connection
) -> None:
    (ticket_id,) = await make(1)
    stale, current = uuid4(), uuid4()
    await claim(store, [ticket_id], stale)
    await expire(other)
    await claim(store, [ticket_id], current)
    failure = RecordFailure(message=message(ticket_id), error="late", final=True)
    await store.release([failure], token=stale, environment_id="e")
    assert await store.finish(ticket_id, current, OUTCOME, [])


async def test_concurrent_releases_in_opposite_order_do_not_deadlock(
    store: PostgresStore, make: Make
) -> None:
    ids = await make(20)

    async def release(order: list[int]) -> None:
        failures = [RecordFailure(message=message(ticket_id), error="no", final=False) for ticket_id in order]
        await store.release(failures, token=uuid4(), environment_id="e")

    await asyncio.gather(*(release(ids if n % 2 else ids[::-1]) for n in range(40)))


async def test_concurrent_receivers_share_no_message(queue: PostgresQueue, make: Make) -> None:
    await make(60)
    batches = await asyncio.gather(*(queue.receive(10, wait=0) for _ in range(12)))
    received = [delivery.message_id for batch in batches for delivery in batch]
    assert len(received) == len(set(received)) == 60


async def test_receive_skips_locked_messages(
    queue: PostgresQueue, make: Make, other: asyncpg.Connection
) -> None:
    ids = await make(3)
    async with asyncio.timeout(10), other.transaction():
        await other.execute("select from messages where ticket_id = $1 for update", ids[0])
        assert len(await queue.receive(10, wait=0)) == 2


async def test_a_delete_that_races_a_redelivery_settles_one_delivery(
    queue: PostgresQueue, eager: PostgresQueue, make: Make
) -> None:
    for _ in range(20):
        await make(1)
        (delivery,) = await eager.receive(1, wait=1)
        _, again = await asyncio.gather(queue.delete([delivery]), queue.receive(1, wait=0))
        assert await queue.count_backlog() == len(again)
        await queue.delete(again)
        assert await queue.count_backlog() == 0


async def test_concurrent_redrives_move_each_dead_letter_once(
    queue: PostgresQueue, make: Make, other: asyncpg.Connection
) -> None:
    await make(20)
    await other.execute("update messages set dead_at = now(), receive_count = 3")
    letters = await queue.list_dead_letters(100)
    moved = await asyncio.gather(queue.redrive(letters), queue.redrive(letters[::-1]), queue.purge(letters))
    assert sum(moved) == 20
    assert await queue.count_backlog() == moved[0] + moved[1]


@pytest.mark.parametrize("seed", range(3))
async def test_all_statements_at_once_neither_deadlock_nor_lose_a_message(
    store: PostgresStore,
    queue: PostgresQueue,
    eager: PostgresQueue,
    operations: PostgresOperations,
    decisions: PostgresDecisions,
    make: Make,
    seed: int,
) -> None:
    ids, chance = await make(30), random.Random(seed)  # noqa: S311 - a seed makes the run repeatable

    async def work() -> None:
        for _ in range(20):
            deliveries = await chance.choice([queue, eager]).receive(5, wait=0)
            await chance.choice([queue.release, queue.delete, eager.release])(deliveries)
            token, some = uuid4(), chance.sample(ids, 5)
            for ticket_id in await claim(store, some, token):
                if chance.random() < 0.5:
                    await store.finish(ticket_id, token, OUTCOME, [])
            failures = [
                RecordFailure(message=message(n), error="no", final=chance.random() < 0.3) for n in some
            ]
            await store.release(failures, token=token, environment_id="e")

    async def care() -> None:
        for _ in range(20):
            await people.retry(decisions, chance.sample(ids, 10))
            letters = await queue.list_dead_letters(100)
            await operations.reset_failed(chance.sample(ids, 10), by=people.BY)
            await queue.redrive(chance.sample(letters, len(letters)))

    await asyncio.gather(work(), work(), work(), care(), care())
    await people.retry(decisions, ids)
    open_ids = {stuck.ticket.id for stuck in await operations.list_stuck(timedelta(0), limit=100)}
    received = [delivery for _ in range(20) for delivery in await queue.receive(10, wait=0)]
    waiting = {int(delivery.record["body"].partition(": ")[2].rstrip("}")) for delivery in received}
    assert open_ids <= waiting
