"""The API over a real database: its responses, and the rows that it writes."""

import asyncio
import json
import re
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256

import httpx
import pytest

from tests.integration.api.conftest import QUICK
from tests.serving import open_client
from ticketctl.api import routes
from ticketctl.settings import Settings

Ask = Callable[[str], str]


async def test_a_ticket_is_created_with_its_message(api: httpx.AsyncClient, ask: Ask) -> None:
    sent = {"subject": "My printer is on fire", "body": "It burns.", "requester": "ada@example.com"}
    response = await api.post("/tickets", json=sent)
    made = response.json()
    assert response.status_code == 201
    assert response.headers["location"] == f"/tickets/{made['id']}"
    assert sent.items() <= made.items()
    assert ask("select subject, body, requester, status from tickets") == "|".join([*sent.values(), "new"])
    assert ask("select body from messages") == f'{{"ticket_id": {made["id"]}}}'


async def test_a_repeated_key_returns_the_first_ticket_and_conflicts_with_other_content(
    api: httpx.AsyncClient, ask: Ask
) -> None:
    key = {"Idempotency-Key": "once"}
    first = await api.post("/tickets", json={"subject": "one"}, headers=key)
    again = await api.post("/tickets", json={"subject": "one"}, headers=key)
    other = await api.post("/tickets", json={"subject": "two"}, headers=key)
    assert [response.status_code for response in (first, again, other)] == [201, 200, 409]
    assert again.json() == first.json()
    assert "has other content" in other.json()["detail"]
    assert ask("select count(*) from tickets") == ask("select count(*) from messages") == "1"


async def test_a_thousand_concurrent_requests_with_a_hundred_keys_create_a_hundred_tickets(
    api: httpx.AsyncClient, ask: Ask
) -> None:
    async def create(number: int) -> httpx.Response:
        key = f"key {number % 100}"
        return await api.post("/tickets", json={"subject": f"About {key}"}, headers={"Idempotency-Key": key})

    responses = await asyncio.gather(*map(create, range(1000)))
    statuses = [response.status_code for response in responses]
    assert (statuses.count(201), statuses.count(200)) == (100, 900)
    ids = {(response.json()["idempotency_key"], response.json()["id"]) for response in responses}
    assert len(ids) == 100
    assert ask("select count(*), count(distinct idempotency_key) from tickets") == "100|100"
    assert ask("select count(*), count(distinct ticket_id) from messages") == "100|100"


async def test_pages_follow_each_other_and_have_the_total(api: httpx.AsyncClient, ask: Ask) -> None:
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
    ("query", "expected"),
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
async def test_a_list_can_be_filtered(
    api: httpx.AsyncClient, ask: Ask, query: dict[str, str], expected: set[str]
) -> None:
    ask(
        "insert into tickets (subject, body, status, category, priority, team, created_at) values "
        "('a', 'first', 'failed', 'billing', 'low', 'payments', '2026-01-31'), "
        "('b', 'second words', 'new', 'billing', 'high', 'support', now())"
    )
    page = (await api.get("/tickets", params=query)).json()
    assert {ticket["subject"] for ticket in page["tickets"]} == expected
    assert page["total"] == len(expected)


@pytest.mark.parametrize(
    ("status", "response_status", "status_after"),
    [("failed", 200, "new"), ("needs_review", 200, "new"), ("processed", 409, "processed")],
)
async def test_a_ticket_can_be_retried_unless_it_is_settled(
    api: httpx.AsyncClient, ask: Ask, status: str, response_status: int, status_after: str
) -> None:
    ticket_id = ask(f"insert into tickets (subject, status) values ('a', '{status}') returning id").split()[0]  # noqa: S608 - of the test
    response = await api.post(f"/tickets/{ticket_id}/retry")
    assert response.status_code == response_status
    assert response.json()["status"] in {status_after, 409}
    assert ask("select status from tickets") == status_after
    assert ask("select count(*) from messages") == ("1" if response_status == 200 else "0")


async def test_it_is_not_ready_without_the_tables_of_this_version(empty_database_url: str) -> None:
    async with open_client(Settings(database_url=empty_database_url, **QUICK)) as client:
        ready, alive = await client.get("/readyz"), await client.get("/healthz")
        listed = await client.get("/tickets")
    assert (ready.status_code, listed.status_code, alive.status_code) == (503, 503, 200)
    assert "tables" in ready.json()["detail"]


async def test_without_a_database_the_response_is_503_and_names_no_host() -> None:
    settings = Settings(database_url="postgresql://ada:hunter2@127.0.0.1:9/tickets", **QUICK)
    async with open_client(settings) as client:
        response = await client.post("/tickets", json={"subject": "a"})
    assert response.status_code == 503
    assert response.headers["content-type"] == "application/problem+json"
    assert not {"hunter2", "127.0.0.1", "Traceback"} & set(response.text.replace(":", " ").split())


async def test_a_key_belongs_to_the_token_that_it_was_sent_with(emptied_url: str, ask: Ask) -> None:
    settings = Settings(database_url=emptied_url, api_tokens="rw:one,rw:two", **QUICK)
    async with open_client(settings) as client:

        async def create(token: str) -> httpx.Response:
            headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "order"}
            return await client.post("/tickets", json={"subject": token}, headers=headers)

        responses = [await create(token) for token in ("one", "two", "one", "two")]
        listed = (await client.get("/tickets", headers={"Authorization": "Bearer one"})).json()["tickets"]
    assert [response.status_code for response in responses] == [201, 201, 200, 200]
    ids = [response.json()["id"] for response in responses]
    assert ids[:2] == ids[2:]
    assert {one["idempotency_key"] for one in (*listed, *(one.json() for one in responses))} == {"order"}
    assert ask("select count(*) from tickets") == "2"


async def test_a_list_has_summaries_and_the_fields_that_the_client_names(
    api: httpx.AsyncClient, ask: Ask
) -> None:
    ask("insert into tickets (subject, body, draft) values ('a', 'the body', 'the draft')")
    (summary,) = (await api.get("/tickets")).json()["tickets"]
    (chosen,) = (await api.get("/tickets", params={"fields": "draft,body,id"})).json()["tickets"]
    whole = (await api.get(f"/tickets/{chosen['id']}")).json()
    assert chosen == {"id": whole["id"], "body": "the body", "draft": "the draft"}
    left_out = {"body", "draft", "steps", "attempts", "notes", "cost"}
    assert summary == {name: value for name, value in whole.items() if name not in left_out}


async def read_pages(api: httpx.AsyncClient, **query: str) -> list[httpx.Response]:
    """Follow the cursors and return all pages."""
    pages = [await api.get("/tickets", params=query)]
    while after := pages[-1].json()["next_cursor"]:
        pages.append(await api.get("/tickets", params=query | {"after": after}))
    return pages


@pytest.mark.parametrize(
    ("character", "number"), [("a", 3), (chr(1), 3), ("\U0001f525", 7)], ids=["ASCII", "control", "emoji"]
)
async def test_a_page_ends_before_a_response_of_lambda_is_full(
    api: httpx.AsyncClient, ask: Ask, character: str, number: int
) -> None:
    ask(
        "insert into tickets (subject, body, draft) "  # noqa: S608 - of the test
        f"select n, repeat(chr({ord(character)}), 199999) || n, repeat('\"', 1000) from generate_series(1, 7) n"
    )
    pages = await read_pages(api, limit="1000", fields="id,subject,body,draft")
    assert len(pages) == number
    for page in pages:
        assert len(json.dumps(page.text, ensure_ascii=False).encode()) < 6_000_000
    tickets = [ticket for page in pages for ticket in page.json()["tickets"]]
    assert [ticket["subject"] for ticket in tickets] == list("7654321")
    assert all(ticket["body"][:-1] == character * 199_999 for ticket in tickets)
    (summaries,) = await read_pages(api, limit="1000")
    assert len(summaries.json()["tickets"]) == 7


@pytest.mark.parametrize("sort", ["created", "-created", "updated", "-updated"])
@pytest.mark.parametrize(
    ("max_bytes", "limit", "number"), [(1, 5, 13), (5000, 5, 4), (5000, 2, 7), (10**6, 13, 1)]
)
async def test_pages_of_bounded_size_have_each_ticket_once(
    api: httpx.AsyncClient,
    ask: Ask,
    monkeypatch: pytest.MonkeyPatch,
    sort: str,
    max_bytes: int,
    limit: int,
    number: int,
) -> None:
    monkeypatch.setattr(routes, "_MAX_PAGE_BYTES", max_bytes)
    ask(
        "insert into tickets (subject, updated_at) select 's', now() - '1 s'::interval * n from generate_series(1, 13) n"
    )
    pages = await read_pages(api, sort=sort, limit=str(limit))
    listed = [ticket for page in pages for ticket in page.json()["tickets"]]
    keys = [(ticket[f"{sort.lstrip('-')}_at"], ticket["id"]) for ticket in listed]
    assert keys == sorted(keys, reverse=sort.startswith("-"))
    assert len({ticket["id"] for ticket in listed}) == len(listed) == 13
    assert len(pages) == number
    assert {page.json()["total"] for page in pages} == {13}


async def test_the_page_of_the_documentation_runs_no_script(api: httpx.AsyncClient) -> None:
    response = await api.get("/docs")
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    (style,) = re.findall("<style>(.*?)</style>", response.text, re.DOTALL)
    assert b64encode(sha256(style.encode()).digest()).decode() in policy
    assert not re.search(r"<script|<link|<img|https?://|\son\w+=| style=", response.text)
    for name in ("POST /tickets", "GET /tickets/{ticket_id}", "Idempotency-Key", "next_cursor"):
        assert name in response.text


async def test_pages_are_linked(api: httpx.AsyncClient) -> None:
    for number in range(3):
        await api.post("/tickets", json={"subject": f"a {number} é"})
    seen, target = [], "/tickets?limit=2&sort=id&search=%C3%A9"
    while target:
        response = await api.get(target)
        seen.append([ticket["subject"] for ticket in response.json()["tickets"]])
        target = response.links.get("next", {}).get("url")
    assert seen == [["a 0 é", "a 1 é"], ["a 2 é"]]
