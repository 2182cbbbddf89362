"""Results of concurrent runs: written in one statement, each with its own outcome."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError

from tests.fakes import OUTCOME
from tests.locks import wait_until_blocked
from ticketctl.postgres.store import PostgresStore
from ticketctl.tickets.messages import TicketMessage
from ticketctl.tickets.models import NewTicket
from ticketctl.tickets.statuses import TicketStatus

UNKNOWN = replace(OUTCOME, classification=replace(OUTCOME.classification, confidence=7.0))
"""A result that violates a check constraint: a confidence is between 0 and 1."""


@pytest.fixture
def token() -> UUID:
    return uuid4()


@pytest.fixture
async def claimed(store: PostgresStore, token: UUID) -> Sequence[int]:
    """Three tickets that are leased under the token."""
    ids = [(await store.create(NewTicket(subject=f"ticket {n}")))[0].id for n in range(3)]
    messages = [TicketMessage(message_id=f"m-{number}", ticket_id=number) for number in ids]
    await store.claim(messages, token=token, lease=timedelta(minutes=1), environment_id="e")
    return ids


async def statuses(store: PostgresStore, ids: Sequence[int]) -> list[TicketStatus | None]:
    found = [await store.get_details(number) for number in ids]
    return [one and one.ticket.status for one in found]


DONE, OPEN = TicketStatus.PROCESSED, TicketStatus.PROCESSING


async def test_concurrent_results_share_one_statement(
    store: PostgresStore, token: UUID, claimed: Sequence[int], ask: Callable[[str], str]
) -> None:
    assert (
        await asyncio.gather(*(store.finish(number, token, OUTCOME, []) for number in claimed)) == [True] * 3
    )
    assert await statuses(store, claimed) == [DONE] * 3
    assert ask("select count(distinct cast(xmin as text)) from tickets") == "1"


async def test_only_the_run_that_lost_its_lease_is_told_so(
    store: PostgresStore, token: UUID, claimed: Sequence[int]
) -> None:
    tokens = [token, uuid4(), token]
    held = await asyncio.gather(*map(store.finish, claimed, tokens, [OUTCOME] * 3, [[]] * 3))
    assert held == [True, False, True]
    assert await statuses(store, claimed) == [DONE, OPEN, DONE]


async def test_a_result_that_cannot_be_written_fails_only_its_caller(
    store: PostgresStore, token: UUID, claimed: Sequence[int]
) -> None:
    outcomes = [UNKNOWN, OUTCOME, UNKNOWN]
    first, second, third = await asyncio.gather(
        *map(store.finish, claimed, [token] * 3, outcomes, [[]] * 3), return_exceptions=True
    )
    assert isinstance(first, DBAPIError)
    assert isinstance(third, DBAPIError)
    assert first is not third
    assert second is True
    assert await statuses(store, claimed) == [OPEN, DONE, OPEN]


@pytest.mark.parametrize("gives_up", [0, 1, 2])
async def test_a_cancelled_caller_does_not_cancel_the_others(
    store: PostgresStore, token: UUID, claimed: Sequence[int], other: asyncpg.Connection, gives_up: int
) -> None:
    async with other.transaction():
        await other.execute("select from tickets where id = $1 for update", claimed[0])
        first = asyncio.create_task(store.finish(claimed[0], token, OUTCOME, []))
        await wait_until_blocked(other)
        rest = [asyncio.create_task(store.finish(number, token, OUTCOME, [])) for number in claimed[1:]]
        await asyncio.sleep(0)  # the others now wait for the batcher's lock
        tasks = [first, *rest]
        tasks[gives_up].cancel()
        await asyncio.wait([tasks[gives_up]])
    held = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(held.pop(gives_up), asyncio.CancelledError)
    assert held == [True, True]
    assert await statuses(store, claimed) == [OPEN if n == gives_up else DONE for n in range(3)]
