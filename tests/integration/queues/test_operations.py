"""Stuck tickets, retries, redrives, statistics."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest

from tests import people
from ticketctl.postgres.decisions import PostgresDecisions
from ticketctl.postgres.operations import PostgresOperations
from ticketctl.postgres.store import PostgresStore
from ticketctl.queues.embedded import PostgresQueue
from ticketctl.tickets.messages import TicketMessage
from ticketctl.tickets.models import Step
from ticketctl.tickets.operations import redrive, select_retries
from ticketctl.tickets.statuses import TicketStatus

Make = Callable[[int], Awaitable[list[int]]]
QUARTER = timedelta(minutes=15)


async def claim(store: PostgresStore, ticket_id: int, lease: timedelta) -> None:
    message = TicketMessage(message_id=str(uuid4()), ticket_id=ticket_id)
    await store.claim([message], token=uuid4(), lease=lease, environment_id="e")


async def stuck_ids(operations: PostgresOperations, older_than: timedelta = timedelta(0)) -> list[int]:
    return [stuck.ticket.id for stuck in await operations.list_stuck(older_than, limit=100)]


async def test_only_tickets_that_wait_longer_are_stuck(
    operations: PostgresOperations, make: Make, other: asyncpg.Connection
) -> None:
    fresh, old = await make(2)
    for table, column, key in (("messages", "enqueued_at", "ticket_id"), ("tickets", "created_at", "id")):
        await other.execute(f"update {table} set {column} = now() - interval '1 hour' where {key} = $1", old)  # noqa: S608 - constants
    assert await stuck_ids(operations, QUARTER) == [old]
    assert await stuck_ids(operations) == [old, fresh]


async def test_an_expired_lease_is_stuck_and_a_valid_one_is_not(
    operations: PostgresOperations, store: PostgresStore, make: Make, other: asyncpg.Connection
) -> None:
    held, ended = await make(2)
    await claim(store, held, timedelta(minutes=1))
    await claim(store, ended, timedelta(minutes=1))
    await other.execute("update tickets set lease_until = now() - interval '1 hour' where id = $1", ended)
    assert await stuck_ids(operations) == [ended]


async def test_settled_tickets_are_never_stuck(
    operations: PostgresOperations, make: Make, other: asyncpg.Connection
) -> None:
    await make(4)
    for number, status in enumerate(("processed", "needs_review", "failed", "closed"), 1):
        await other.execute(
            "update tickets set status = $1 where id = (select min(id) + $2 from tickets)", status, number - 1
        )
    assert await stuck_ids(operations) == []


async def test_a_passed_over_message_counts_as_overtaken(
    operations: PostgresOperations, store: PostgresStore, make: Make
) -> None:
    waiting, worked_on = await make(2)
    await claim(store, worked_on, timedelta(minutes=1))
    (stuck,) = await operations.list_stuck(timedelta(0), limit=10)
    assert (stuck.ticket.id, stuck.overtaken, stuck.dead) == (waiting, True, False)


async def test_a_stuck_ticket_names_its_dead_letter(
    operations: PostgresOperations, make: Make, other: asyncpg.Connection
) -> None:
    await make(1)
    await other.execute("update messages set dead_at = now()")
    (stuck,) = await operations.list_stuck(timedelta(0), limit=10)
    assert stuck.dead


async def test_retry_replaces_all_messages_of_a_ticket_by_one(
    decisions: PostgresDecisions, queue: PostgresQueue, make: Make, other: asyncpg.Connection
) -> None:
    (ticket_id,) = await make(1)
    await other.execute(
        "insert into messages (ticket_id, body, dead_at) select ticket_id, body, now() from messages"
    )
    (delivery,) = await queue.receive(1, wait=0)
    await other.execute("update tickets set status = 'failed', error = 'no luck'")
    assert await people.retry(decisions, [ticket_id]) == [ticket_id]
    await queue.delete([delivery])
    (again,) = await queue.receive(10, wait=0)
    assert again.receive_count == 1
    assert await queue.list_dead_letters(10) == []
    assert await other.fetchval("select status from tickets") == "new"


async def test_leased_and_settled_tickets_are_not_retried(
    decisions: PostgresDecisions, store: PostgresStore, make: Make, other: asyncpg.Connection
) -> None:
    held, settled = await make(2)
    await claim(store, held, timedelta(minutes=1))
    await other.execute("update tickets set status = 'processed' where id = $1", settled)
    assert await people.retry(decisions, [held, settled, 2**62]) == []


async def test_retry_selects_failed_and_stuck_tickets(
    operations: PostgresOperations, make: Make, other: asyncpg.Connection
) -> None:
    failed, new = await make(2)
    await other.execute("update tickets set status = 'failed' where id = $1", failed)
    assert await select_retries(operations, failed=True, stuck=None) == [failed]
    assert await select_retries(operations, failed=False, stuck=timedelta(0)) == [new]
    assert await select_retries(operations, failed=True, stuck=timedelta(0)) == [failed, new]


async def test_redrive_keeps_a_dead_letter_without_ticket(
    operations: PostgresOperations, queue: PostgresQueue, make: Make, other: asyncpg.Connection
) -> None:
    gone, there = await make(2)
    await other.execute("update messages set dead_at = now(); update tickets set status = 'failed'")
    await other.execute("delete from tickets where id = $1", gone)
    letters = await queue.list_dead_letters(10)
    moved, left = await redrive(queue, operations, letters, by=people.BY)
    assert (moved, [letter.body for letter in left]) == (1, [f'{{"ticket_id": {gone}}}'])
    assert len(await queue.list_dead_letters(10)) == 1
    assert await other.fetchval("select status from tickets where id = $1", there) == "new"


async def test_statistics_contain_every_status(
    operations: PostgresOperations, make: Make, other: asyncpg.Connection
) -> None:
    await make(2)
    statistics = await operations.get_statistics()
    assert statistics.tickets == dict.fromkeys(TicketStatus, 0) | {TicketStatus.NEW: 2}
    assert statistics.oldest_new == await other.fetchval("select min(created_at) from tickets")
    assert statistics.steps == []


async def test_the_workload_counts_fields_and_weeks(
    operations: PostgresOperations, make: Make, other: asyncpg.Connection
) -> None:
    ids = await make(6)
    reviewed, automated, old = ids[:3]
    await other.execute(
        "update tickets set category = 'billing', team = 'red', created_at = now() - interval '7 days', "
        "processed_at = now() - interval '7 days' + id * interval '1 hour' where id = any($1)",
        ids[:2],
    )
    await other.execute("update tickets set created_at = now() - interval '90 days' where id = $1", old)
    # the reviewed ticket was retried: its last attempt counts
    for ticket_id, attempt, outcome in (
        (reviewed, 1, "processed"),
        (reviewed, 2, "needs_review"),
        (automated, 1, "needs_review"),
        (automated, 2, "processed"),
        (automated, 3, "failed"),
    ):
        await other.execute(
            "insert into attempts (ticket_id, attempt, outcome) values ($1, $2, $3)",
            ticket_id,
            attempt,
            outcome,
        )
    workload = await operations.get_workload(3)
    assert workload.categories == {None: 4, "billing": 2}
    assert workload.teams == {None: 4, "red": 2}
    monday = await other.fetchval("select date_trunc('week', now() at time zone 'UTC')::date")
    assert [week.start for week in workload.weeks] == [monday - timedelta(weeks=weeks) for weeks in (2, 1, 0)]
    assert [(week.created, week.processed, week.automated) for week in workload.weeks] == [
        (0, 0, 0),
        (2, 2, 1),
        (3, 0, 0),
    ]
    assert workload.weeks[1].median_seconds == pytest.approx((reviewed + automated) / 2 * 3600)
    assert workload.weeks[2].median_seconds is None


@pytest.mark.parametrize("number", [1, 2, 21, 50])
async def test_statistics_of_steps_are_those_of_postgres_own_functions(
    operations: PostgresOperations, make: Make, other: asyncpg.Connection, number: int
) -> None:
    """The statement computes the percentile itself. 21 steps have it at a step, 50 between two."""
    await make(number)
    await other.execute(
        "insert into steps (ticket_id, step, output, provider, model, prompt_hash, input_tokens, output_tokens, duration_ms) "
        "select id, step, '{}', 'openai', case when id % 3 = 0 then 'a' else 'b' end, '', id, 7, (id * 37) % 101 + 0.5 "
        "from tickets, unnest(array['classify', 'respond']) step"
    )
    measured = (await operations.get_statistics()).steps
    assert [step.step for step in measured] == [Step.CLASSIFY, Step.RESPOND]
    expected = await other.fetchrow(
        "select count(*) as runs, avg(duration_ms) as mean, sum(input_tokens) as tokens, "
        "percentile_cont(0.95) within group (order by duration_ms) as p95 from steps where step = 'classify'"
    )
    for step in measured:
        assert (step.runs, step.input_tokens, step.output_tokens) == (number, expected["tokens"], 7 * number)
        assert (step.mean_ms, step.p95_ms) == pytest.approx((expected["mean"], expected["p95"]))
        assert sum(used.runs for used in step.models) == number
        assert sum(used.input_tokens for used in step.models) == expected["tokens"]


async def test_the_server_reserves_some_of_its_connections(
    operations: PostgresOperations, other: asyncpg.Connection
) -> None:
    most = int(await other.fetchval("show max_connections"))
    assert await operations.get_connection_limit() == most - 3
