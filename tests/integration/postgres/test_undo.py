"""The undo of a command on many tickets, and two people who change one ticket at the same moment."""

import asyncio

import asyncpg
import pytest

from tests.locks import wait_until_blocked
from tests.people import BY
from ticketctl.errors import ConflictError
from ticketctl.postgres.decisions import PostgresDecisions
from ticketctl.postgres.store import PostgresStore
from ticketctl.tickets import decisions as use_cases
from ticketctl.tickets.decisions import BATCH, Decision
from ticketctl.tickets.history import Actor, Operation
from ticketctl.tickets.models import NewTicket
from ticketctl.tickets.undo import get_last_operation, get_operation, undo_last, undo_operation

CLOSE = Decision(action="close")


async def test_one_command_has_one_number_over_several_statements(
    store: PostgresStore, decisions: PostgresDecisions, other: asyncpg.Connection
) -> None:
    number = 2 * BATCH + 1
    await other.execute("insert into tickets (subject) select 'x' from generate_series(1, $1::int)", number)
    ids = [row["id"] for row in await other.fetch("select id from tickets order by id")]
    operation, undoing = Operation(), Operation()
    await use_cases.apply(decisions, CLOSE, ids, by=BY, operation=operation)
    assert operation.changed == number
    assert operation.id is not None
    changed = await get_operation(decisions, operation.id)
    assert (changed.actor, changed.action, list(changed.ticket_ids)) == ("ada", "close", ids)
    assert await get_last_operation(decisions, BY) == changed
    outcomes = await undo_operation(decisions, changed, by=Actor.person("grace"), operation=undoing)
    assert {one.outcome for one in outcomes} == {"undone"}
    assert await other.fetchval("select count(*) from tickets where status = 'new'") == number
    rows = await other.fetch("select operation, action, count(*) from changes group by 1, 2 order by 1")
    assert [tuple(row) for row in rows] == [(operation.id, "close", number), (undoing.id, "undo", number)]
    assert store is not None


async def test_only_people_have_operations(store: PostgresStore, decisions: PostgresDecisions) -> None:
    ticket, _ = await store.create(NewTicket(subject="x"))
    rule = Actor(BY.kind.IMPORT, "inbox.mbox")
    await use_cases.apply(decisions, CLOSE, [ticket.id], by=rule)
    [change] = await decisions.list_changes(ticket.id)
    assert change.operation is None


@pytest.mark.parametrize("is_whole", [False, True], ids=["one ticket", "a command"])
async def test_an_undo_that_waits_for_another_change_does_not_take_back_the_one_before(
    store: PostgresStore, decisions: PostgresDecisions, other: asyncpg.Connection, *, is_whole: bool
) -> None:
    ticket, _ = await store.create(NewTicket(subject="x"))
    operation = Operation()
    await use_cases.apply(decisions, use_cases.tag("vip"), [ticket.id], by=BY, operation=operation)
    changed = await get_last_operation(decisions, BY)
    transaction = other.transaction()
    await transaction.start()
    await other.execute(
        "update tickets set tags = '[\"late\"]', updated_at = clock_timestamp() where id = $1", ticket.id
    )
    if is_whole:
        undoing = asyncio.ensure_future(undo_operation(decisions, changed, by=BY))
    else:
        undoing = asyncio.ensure_future(undo_last(decisions, ticket.id, by=BY))
    await wait_until_blocked(other)
    await transaction.commit()
    if is_whole:
        [outcome] = await undoing
        assert str(outcome.error) == f"ticket {ticket.id} was changed by someone else meanwhile"
    else:
        with pytest.raises(ConflictError, match="changed by someone else meanwhile"):
            await undoing
    details = await store.get_details(ticket.id)
    assert details is not None
    assert details.ticket.tags == ["late"]
