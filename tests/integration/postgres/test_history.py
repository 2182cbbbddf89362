"""Every statement that changes a ticket writes the change into its history, and people can take theirs back."""

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest

from tests.fakes import OUTCOME
from tests.people import BY
from ticketctl.errors import ConflictError, NotFoundError
from ticketctl.postgres.decisions import PostgresDecisions
from ticketctl.postgres.store import PostgresStore
from ticketctl.tickets import decisions as use_cases
from ticketctl.tickets.decisions import Decision, Outcome
from ticketctl.tickets.history import Actor, Change
from ticketctl.tickets.messages import TicketMessage
from ticketctl.tickets.models import NewTicket, Step, StepRecord, Ticket
from ticketctl.tickets.protocols import RecordFailure
from ticketctl.tickets.undo import undo_last

Ask = Callable[[str], str]
ENGINE = {
    "category": "bug",
    "priority": "low",
    "sentiment": "neutral",
    "language": "en",
    "confidence": 0.4,
    "method": "model",
}


async def make(store: PostgresStore) -> int:
    return (await store.create(NewTicket(subject="x", created_by=str(BY))))[0].id


async def process(store: PostgresStore, ticket_id: int) -> None:
    token, message = uuid4(), TicketMessage(message_id="m", ticket_id=ticket_id)
    await store.claim([message], token=token, lease=timedelta(minutes=1), environment_id="env-1")
    classify = StepRecord(step=Step.CLASSIFY, output=ENGINE, provider="offline", model="m-1", prompt_hash="h")
    assert await store.finish(ticket_id, token, OUTCOME, [classify])


async def decide(store: PostgresDecisions, ticket_id: int, action: str, **values: object) -> Outcome:
    note = values.pop("note", None)
    decision = Decision(action=action, values=values, note=note)  # type: ignore[arg-type] # a text
    [outcome] = await use_cases.apply(store, decision, [ticket_id], by=BY)
    return outcome


async def history(store: PostgresStore, decisions: PostgresDecisions, ticket_id: int) -> list[Change]:
    return await use_cases.get_history(store, decisions, ticket_id)


async def read(store: PostgresStore, ticket_id: int) -> Ticket:
    details = await store.get_details(ticket_id)
    assert details is not None
    return details.ticket


async def test_every_change_has_its_actor_and_its_values(
    store: PostgresStore, decisions: PostgresDecisions
) -> None:
    ticket_id = await make(store)
    await process(store, ticket_id)
    await decide(decisions, ticket_id, "set", category="refund")
    await decide(decisions, ticket_id, "assign", assignee="grace")
    await decide(decisions, ticket_id, "tag", tags=["vip"])
    await decide(decisions, ticket_id, "note", note="called back")
    await decide(decisions, ticket_id, "close")
    changes = await history(store, decisions, ticket_id)
    assert [(change.actor_kind, change.actor, change.action) for change in changes] == [
        ("person", "ada", "create"),
        ("worker", "env-1", "claim"),
        ("worker", "env-1", "finish"),
        *[("person", "ada", action) for action in ("set", "assign", "tag", "note", "close")],
    ]
    finish, edited, assigned, tagged, noted, closed = changes[2:]
    assert (finish.old["status"], finish.new["status"]) == ("processing", "processed")
    assert finish.new.items() >= {"category": "billing", "team": "billing", "draft": "Hello"}.items()
    assert (edited.old["category"], edited.new["category"]) == ("billing", "refund")
    assert edited.engine == ENGINE | {"model": "m-1"}
    assert (assigned.old, assigned.new) == ({"assignee": None}, {"assignee": "grace"})
    assert (tagged.old, tagged.new) == ({"tags": []}, {"tags": ["vip"]})
    assert (noted.old, noted.new, noted.note) == ({}, {}, "called back")
    assert closed.new == {"status": "closed"}
    details = await store.get_details(ticket_id)
    assert details is not None
    assert [(note.actor, note.text) for note in details.notes] == [("ada", "called back")]


async def test_failures_of_workers_and_of_the_queue_are_in_the_history(
    store: PostgresStore, decisions: PostgresDecisions
) -> None:
    ticket_id = await make(store)
    token, message = uuid4(), TicketMessage(message_id="m", ticket_id=ticket_id)
    await store.claim([message], token=token, lease=timedelta(minutes=1), environment_id="env-1")
    failure = RecordFailure(message=message, error="no luck", final=True)
    await store.release([failure], token=token, environment_id="env-1")
    failed = [change for change in await history(store, decisions, ticket_id) if change.action == "fail"]
    assert [(change.actor_kind, change.actor, change.note) for change in failed] == [
        ("worker", "env-1", "no luck")
    ]
    assert failed[0].new == {"status": "failed"}
    retried = await decide(decisions, ticket_id, "retry")
    assert retried.outcome == "queued"
    await decide(decisions, ticket_id, "close")
    refused = await decide(decisions, ticket_id, "retry")
    assert str(refused.error) == f"ticket {ticket_id} is closed and cannot be retried"


async def test_undo_takes_back_one_change_after_the_other(
    store: PostgresStore, decisions: PostgresDecisions, ask: Ask
) -> None:
    ticket_id = await make(store)
    await process(store, ticket_id)
    before = await read(store, ticket_id)
    await decide(decisions, ticket_id, "set", category="refund", team="sales")
    await decide(decisions, ticket_id, "approve")
    await decide(decisions, ticket_id, "tag", tags=["vip"])
    await decide(decisions, ticket_id, "close")
    undone = [(await undo_last(decisions, ticket_id, by=BY))[1] for _ in range(4)]
    assert undone == ["close", "tag", "approve", "set"]
    after = await read(store, ticket_id)
    names = ("status", "category", "team", "confidence", "set_by_human", "tags")
    assert [getattr(after, name) for name in names] == [getattr(before, name) for name in names]
    with pytest.raises(ConflictError, match="cannot be undone: a worker has changed it since"):
        await undo_last(decisions, ticket_id, by=BY)
    with pytest.raises(NotFoundError):
        await undo_last(decisions, ticket_id + 1, by=BY)
    assert ask("select count(*) from changes where action = 'undo'") == "4"


async def test_undo_is_refused_after_a_workers_claim_and_without_changes(
    store: PostgresStore, decisions: PostgresDecisions
) -> None:
    ticket_id = await make(store)
    with pytest.raises(ConflictError, match="no change to undo"):
        await undo_last(decisions, ticket_id, by=BY)
    await decide(decisions, ticket_id, "set", category="refund")
    message = TicketMessage(message_id="m", ticket_id=ticket_id)
    await store.claim([message], token=uuid4(), lease=timedelta(minutes=1), environment_id="env-1")
    with pytest.raises(ConflictError, match="a worker has taken it since"):
        await undo_last(decisions, ticket_id, by=BY)


async def test_undone_close_of_an_unprocessed_ticket_queues_it_again(
    store: PostgresStore, decisions: PostgresDecisions, ask: Ask
) -> None:
    ticket_id = await make(store)
    await decide(decisions, ticket_id, "close")
    ask("delete from messages")
    ticket, _ = await undo_last(decisions, ticket_id, by=BY)
    assert ticket.status == "new"
    assert ask("select ticket_id from messages") == str(ticket_id)


async def test_a_person_who_saw_an_older_ticket_is_told(
    store: PostgresStore, decisions: PostgresDecisions
) -> None:
    ticket_id = await make(store)
    seen = (await read(store, ticket_id)).updated_at
    grace = Actor.person("grace")
    [first] = await use_cases.apply(decisions, use_cases.assign("grace"), [ticket_id], by=grace, seen=seen)
    [second] = await use_cases.apply(decisions, use_cases.assign("ada"), [ticket_id], by=BY, seen=seen)
    assert (first.outcome, str(second.error)) == (
        "assigned",
        f"ticket {ticket_id} was changed by someone else meanwhile",
    )
    with pytest.raises(ConflictError, match="by someone else meanwhile"):
        await undo_last(decisions, ticket_id, by=BY, seen=seen)
    assert (await read(store, ticket_id)).assignee == "grace"


async def test_many_tickets_share_one_statement_per_five_hundred(
    decisions: PostgresDecisions, ask: Ask
) -> None:
    ask("insert into tickets (subject) select 'x' from generate_series(1, 1001)")
    ids = [int(number) for number in ask("select id from tickets order by id").split()]
    outcomes = await use_cases.apply(decisions, Decision(action="close"), [0, *ids, 2**63], by=BY)
    assert [outcome.outcome for outcome in outcomes] == ["unchanged", *["closed"] * 1001, "unchanged"]
    assert ask("select count(distinct changed_at), count(*) from changes") == "3|1001"


async def test_a_repeated_idempotency_key_uses_up_no_number(store: PostgresStore) -> None:
    first, _ = await store.create(NewTicket(subject="x", idempotency_key="k"))
    for _ in range(3):
        assert await store.create(NewTicket(subject="x", idempotency_key="k")) == (first, False)
    assert (await store.create(NewTicket(subject="y")))[0].id == first.id + 1


async def test_search_covers_the_requester(store: PostgresStore) -> None:
    from ticketctl.tickets.filters import TicketFilter

    made, _ = await store.create(NewTicket(subject="x", requester="ada@example.com"))
    for words in ("ada", "example", "x ada"):
        page = await store.list(TicketFilter(search=words), sort="created", limit=5, after=None, count=False)
        assert [ticket.id for ticket in page.tickets] == [made.id]
