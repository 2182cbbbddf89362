"""The API over a real database: its answers, and what they leave in the tables."""

import asyncio
from collections.abc import Callable

import httpx
import pytest

from tests.integration.api.conftest import QUICK
from tests.serving import asked
from ticketctl.settings import Settings

Ask = Callable[[str], str]


async def test_a_ticket_is_made_with_its_message(api: httpx.AsyncClient, ask: Ask) -> None:
    written = {"subject": "My printer is on fire", "body": "It burns.", "requester": "ada@example.com"}
    answer = await api.post("/tickets", json=written)
    made = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/tickets/{made['id']}"
    assert written.items() <= made.items()
    assert ask("select subject, body, requester, status from tickets") == "|".join([*written.values(), "new"])
    assert ask("select body from messages") == f'{{"ticket_id": {made["id"]}}}'


async def test_the_same_key_answers_the_first_ticket_and_takes_no_other_content(
    api: httpx.AsyncClient, ask: Ask
) -> None:
    key = {"Idempotency-Key": "once"}
    first = await api.post("/tickets", json={"subject": "one"}, headers=key)
    again = await api.post("/tickets", json={"subject": "one"}, headers=key)
    other = await api.post("/tickets", json={"subject": "two"}, headers=key)
    assert [answer.status_code for answer in (first, again, other)] == [201, 200, 422]
    assert again.json() == first.json()
    assert "used before" in other.json()["detail"]
    assert ask("select count(*) from tickets") == ask("select count(*) from messages") == "1"


async def test_a_thousand_at_once_with_a_hundred_keys_make_a_hundred_tickets(
    api: httpx.AsyncClient, ask: Ask
) -> None:
    async def create(number: int) -> httpx.Response:
        key = f"key {number % 100}"
        return await api.post("/tickets", json={"subject": f"About {key}"}, headers={"Idempotency-Key": key})

    answers = await asyncio.gather(*map(create, range(1000)))
    statuses = [answer.status_code for answer in answers]
    assert (statuses.count(201), statuses.count(200)) == (100, 900)
    ids = {(answer.json()["idempotency_key"], answer.json()["id"]) for answer in answers}
    assert len(ids) == 100
    assert ask("select count(*), count(distinct idempotency_key) from tickets") == "100|100"
    assert ask("select count(*), count(distinct ticket_id) from messages") == "100|100"


async def test_pages_follow_each_other_and_tell_how_many_there_are(api: httpx.AsyncClient, ask: Ask) -> None:
    ask("insert into tickets (subject, status) select n, 'failed' from generate_series(1, 5) n")
    ask("insert into tickets (subject) values ('another')")
    seen, after = [], None
    while True:
        query = {"status": "failed", "sort": "created", "limit": "2"} | (
            {} if after is None else {"after": after}
        )
        page = (await api.get("/tickets", params=query)).json()
        assert page["total"] == 5
        seen += [ticket["subject"] for ticket in page["tickets"]]
        after = page["next_cursor"]
        if after is None:
            break
    assert sorted(seen) == ["1", "2", "3", "4", "5"]
    assert len(seen) == 5


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"status": "failed"}, {"a"}),
        ({"category": "billing"}, {"a", "b"}),
        ({"priority": "high"}, {"b"}),
        ({"team": "payments"}, {"a"}),
        ({"search": "second wor"}, {"b"}),
        ({"since": "2h"}, {"b"}),
        ({"since": "2026-01-01", "category": "billing"}, {"a", "b"}),
    ],
)
async def test_a_list_is_filtered(
    api: httpx.AsyncClient, ask: Ask, query: dict[str, str], found: set[str]
) -> None:
    ask(
        "insert into tickets (subject, body, status, category, priority, team, created_at) values "
        "('a', 'first', 'failed', 'billing', 'low', 'payments', '2026-01-31'), "
        "('b', 'second words', 'new', 'billing', 'high', 'support', now())"
    )
    page = (await api.get("/tickets", params=query)).json()
    assert {ticket["subject"] for ticket in page["tickets"]} == found
    assert page["total"] == len(found)


@pytest.mark.parametrize(
    ("status", "answered", "then"),
    [("failed", 200, "new"), ("needs_review", 200, "new"), ("processed", 409, "processed")],
)
async def test_another_try_is_for_what_needs_one(
    api: httpx.AsyncClient, ask: Ask, status: str, answered: int, then: str
) -> None:
    ticket_id = ask(f"insert into tickets (subject, status) values ('a', '{status}') returning id").split()[0]  # noqa: S608 - the test's own
    answer = await api.post(f"/tickets/{ticket_id}/retry")
    assert answer.status_code == answered
    assert answer.json()["status"] in {then, 409}
    assert ask("select status from tickets") == then
    assert ask("select count(*) from messages") == ("1" if answered == 200 else "0")


async def test_it_is_ready_only_with_the_tables_of_this_version(empty_database_url: str) -> None:
    async with asked(Settings(database_url=empty_database_url, **QUICK)) as client:
        ready, alive = await client.get("/readyz"), await client.get("/healthz")
        listed = await client.get("/tickets")
    assert (ready.status_code, listed.status_code, alive.status_code) == (503, 503, 200)
    assert "tables" in ready.json()["detail"]


async def test_without_a_database_it_says_so_and_names_no_host() -> None:
    settings = Settings(database_url="postgresql://ada:hunter2@127.0.0.1:9/tickets", **QUICK)
    async with asked(settings) as client:
        answer = await client.post("/tickets", json={"subject": "a"})
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert not {"hunter2", "127.0.0.1", "Traceback"} & set(answer.text.replace(":", " ").split())
