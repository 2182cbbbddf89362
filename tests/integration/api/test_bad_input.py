"""What is sent wrongly is refused with a problem, and leaves nothing in the tables."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from tests.integration.api.conftest import QUICK
from tests.serving import JSON, asked
from ticketctl.settings import Settings

LIMIT = 6000
TOKENS = "r:reader, rw:writer"
WRITER = {"Authorization": "Bearer writer"}


@pytest.fixture
async def api(emptied_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the API with tokens."""
    settings = Settings(database_url=emptied_url, api_tokens=TOKENS, api_body_limit=LIMIT, **QUICK)
    async with asked(settings) as client:
        yield client


async def in_pieces() -> AsyncIterator[bytes]:
    """More than the limit, without a word about its length."""
    yield b'{"subject": "'
    for _ in range(LIMIT):
        yield b"aa"
    yield b'"}'


def ticket(**fields: Any) -> dict[str, Any]:
    return {"json": {"subject": "a"} | fields}


BODIES = {
    "too large": (413, ticket(body="a" * LIMIT)),
    "too large, in pieces": (413, {"content": in_pieces, "headers": JSON}),
    "larger than it says": (413, {"content": b"{}", "headers": {**JSON, "Content-Length": "99999999"}}),
    "no JSON": (400, {"content": b"{", "headers": JSON}),
    "no UTF-8": (400, {"content": b'{"subject": "\xff"}', "headers": JSON}),
    "too deep": (400, {"content": b"[" * LIMIT, "headers": JSON}),
    "a number without an end": (400, {"content": b'{"subject": ' + b"9" * 5000 + b"}", "headers": JSON}),
    "not a number": (422, {"content": b'{"subject": NaN}', "headers": JSON}),
    "not called JSON": (422, {"content": b'{"subject": "a"}', "headers": {"content-type": "text/plain"}}),
    "a form": (422, {"data": {"subject": "a"}}),
    "nothing": (422, {}),
    "a list": (422, {"json": []}),
    "null": (422, {"content": b"null", "headers": JSON}),
    "a number for a text": (422, ticket(subject=1)),
    "null for a text": (422, ticket(body=None)),
    "an unknown field": (422, ticket(status="processed")),
    "the key in the body": (422, ticket(idempotency_key="k")),
    "no subject": (422, {"json": {"body": "a"}}),
    "an empty subject": (422, ticket(subject=" \n")),
    "a long subject": (422, ticket(subject="a" * 501)),
    "a NUL": (422, ticket(body="a\0b")),
    "half a surrogate pair": (422, {"content": rb'{"subject": "\ud800"}', "headers": JSON}),
    "no address": (422, ticket(requester="ada")),
    "an empty key": (422, ticket() | {"headers": {"Idempotency-Key": ""}}),
    "a long key": (422, ticket() | {"headers": {"Idempotency-Key": "k" * 256}}),
}


@pytest.mark.parametrize("name", BODIES)
async def test_a_ticket_that_cannot_be_is_refused(
    api: httpx.AsyncClient, written: Callable[[], str], name: str
) -> None:
    status, sent = BODIES[name]
    content = sent.get("content")
    if callable(content):
        sent = sent | {"content": content()}
    answer = await api.post("/tickets", **sent | {"headers": WRITER | sent.get("headers", {})})
    refused(answer, status)
    assert written() == ""


ASKED = {
    "a cursor that was changed": (422, "/tickets?after=WyItY3JlYXRlZCIsIjIwMjYtMDEt"),
    "no cursor": (422, "/tickets?after=%00"),
    "another order": (422, "/tickets?sort=body"),
    "no such status": (422, "/tickets?status=open"),
    "no number": (422, "/tickets?limit=many"),
    "no tickets": (422, "/tickets?limit=0"),
    "too many": (422, "/tickets?limit=1001"),
    "a NUL": (422, "/tickets?team=%00"),
    "no words": (422, "/tickets?search=---"),
    "no time": (422, "/tickets?since=yesterday"),
    "an unknown parameter": (422, "/tickets?offset=5"),
    "no such ticket": (404, "/tickets/1"),
    "a number that overflows": (404, f"/tickets/{2**63}"),
    "a far larger one": (404, f"/tickets/{'9' * 300}"),
    "a negative number": (404, "/tickets/-1"),
    "no number of a ticket": (422, "/tickets/first"),
    "a slash more": (404, "/tickets/"),
    "another path": (404, "/admin"),
}


@pytest.mark.parametrize("name", ASKED)
async def test_a_question_that_has_no_answer_is_refused(
    api: httpx.AsyncClient, written: Callable[[], str], name: str
) -> None:
    status, path = ASKED[name]
    refused(await api.get(path, headers=WRITER), status)
    assert written() == ""


async def test_a_cursor_of_another_list_is_refused(api: httpx.AsyncClient, ask: Callable[[str], str]) -> None:
    ask("insert into tickets (subject) select n from generate_series(1, 3) n")
    page = (await api.get("/tickets", params={"limit": 1}, headers=WRITER)).json()
    cursor = page["next_cursor"]
    for query in ({"after": cursor, "sort": "created"}, {"after": f"{cursor[:-1]}A", "sort": "-created"}):
        refused(await api.get("/tickets", params=query, headers=WRITER), 422)


@pytest.mark.parametrize("ticket_id", [1, 2**63, -1])
async def test_another_try_of_no_ticket(
    api: httpx.AsyncClient, written: Callable[[], str], ticket_id: int
) -> None:
    refused(await api.post(f"/tickets/{ticket_id}/retry", headers=WRITER), 404)
    assert written() == ""


@pytest.mark.parametrize(
    ("sent", "status", "challenge"),
    [
        ({}, 401, 'Bearer realm="ticketctl"'),
        ({"Authorization": "Basic d3JpdGVyOg=="}, 401, 'Bearer realm="ticketctl"'),
        ({"Authorization": "Bearer nobody"}, 401, 'error="invalid_token"'),
        ({"Authorization": "Bearer writer2"}, 401, 'error="invalid_token"'),
        ({"Authorization": b"Bearer \xff"}, 401, 'error="invalid_token"'),
        ({"Authorization": "Bearer reader"}, 403, 'error="insufficient_scope", scope="rw"'),
    ],
)
async def test_who_may_not_write_is_refused(
    api: httpx.AsyncClient, written: Callable[[], str], sent: dict[str, Any], status: int, challenge: str
) -> None:
    answer = await api.post("/tickets", json={"subject": "a"}, headers=sent)
    refused(answer, status)
    assert written() == ""
    assert challenge in answer.headers["www-authenticate"]


async def test_who_may_only_read_reads(api: httpx.AsyncClient) -> None:
    answer = await api.get("/tickets", headers={"authorization": "bearer reader"})
    assert answer.status_code == 200


async def test_whether_it_lives_and_how_it_is_spoken_to_is_for_anybody(api: httpx.AsyncClient) -> None:
    answers = [await api.get(path) for path in ("/healthz", "/openapi.json", "/docs", "/readyz", "/tickets")]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 401, 401]


async def test_a_method_that_is_not_there_names_those_that_are(api: httpx.AsyncClient) -> None:
    answer = await api.delete("/tickets", headers=WRITER)
    refused(answer, 405)
    assert answer.headers["allow"] == "GET, POST"


async def test_who_asks_too_often_is_told_when_to_come_back(emptied_url: str) -> None:
    async with asked(Settings(database_url=emptied_url, api_rate=0.5)) as client:
        answers = [await client.get("/tickets") for _ in range(2)]
        assert (await client.get("/healthz")).status_code == 200
    assert answers[0].status_code == 200
    refused(answers[1], 429)
    assert answers[1].headers["retry-after"] in {"1", "2"}


async def test_where_a_request_is_wrong_is_told_without_what_was_sent(api: httpx.AsyncClient) -> None:
    listed = await api.get("/tickets", params={"status": "hunter2", "limit": "hunter2"}, headers=WRITER)
    made = await api.post("/tickets", json={"subject": 1, "hunter2": 2}, headers=WRITER)
    places = [[one["at"] for one in answer.json()["errors"]] for answer in (listed, made)]
    assert places == [["query.status.0", "query.limit"], ["body.subject", "body.hunter2"]]
    assert "hunter2" not in listed.text


async def test_of_many_mistakes_some_are_told(api: httpx.AsyncClient) -> None:
    answer = await api.post("/tickets", json={str(number): 0 for number in range(500)}, headers=WRITER)
    refused(answer, 422)
    assert len(answer.json()["errors"]) == 20


def refused(answer: httpx.Response, status: int) -> None:
    """Whether this is a problem of that status, which tells nothing of the inside."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert (told["status"], told["type"]) == (status, "about:blank")
    assert told["title"]
    assert "Traceback" not in answer.text
    assert ".py" not in answer.text
