"""Invalid requests get a problem and write nothing."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from tests.integration.api.conftest import QUICK
from tests.serving import JSON, open_client
from ticketctl.settings import Settings

LIMIT = 6000
TOKENS = "r:reader, rw:writer"
WRITER = {"Authorization": "Bearer writer"}


@pytest.fixture
async def api(emptied_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the API with tokens."""
    settings = Settings(database_url=emptied_url, api_tokens=TOKENS, api_body_limit=LIMIT, **QUICK)
    async with open_client(settings) as client:
        yield client


async def in_pieces() -> AsyncIterator[bytes]:
    """Yield a body that is larger than the limit, without a declared length."""
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
    "not JSON": (400, {"content": b"{", "headers": JSON}),
    "not UTF-8": (400, {"content": b'{"subject": "\xff"}', "headers": JSON}),
    "too deep": (400, {"content": b"[" * LIMIT, "headers": JSON}),
    "a number with 5,000 digits": (400, {"content": b'{"subject": ' + b"9" * 5000 + b"}", "headers": JSON}),
    "not a number": (422, {"content": b'{"subject": NaN}', "headers": JSON}),
    "JSON with another content type": (
        422,
        {"content": b'{"subject": "a"}', "headers": {"content-type": "text/plain"}},
    ),
    "a form": (422, {"data": {"subject": "a"}}),
    "no body": (422, {}),
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
    "a line break in the subject": (422, ticket(subject="a\r\nBcc: b@example.com")),
    "a line break in the requester": (422, ticket(requester="a@example.com\nBcc: b@example.com")),
    "a line break in the body is allowed, a thousand members are not": (
        422,
        ticket(body="a\nb", **{str(number): 0 for number in range(400)}),
    ),
    "members behind backslashes": (
        422,
        {"content": b'{"a\\\\": 0' + b', "a\\\\": 0' * 400 + b"}", "headers": JSON},
    ),
    "no e-mail address": (422, ticket(requester="ada")),
    "an empty key": (422, ticket() | {"headers": {"Idempotency-Key": ""}}),
    "a long key": (422, ticket() | {"headers": {"Idempotency-Key": "k" * 256}}),
}


@pytest.mark.parametrize("name", BODIES)
async def test_an_invalid_ticket_is_refused(
    api: httpx.AsyncClient, rows: Callable[[], str], name: str
) -> None:
    status, sent = BODIES[name]
    content = sent.get("content")
    if callable(content):
        sent = sent | {"content": content()}
    response = await api.post("/tickets", **sent | {"headers": WRITER | sent.get("headers", {})})
    assert_refused(response, status)
    assert rows() == ""


PATHS = {
    "a cursor that was changed": (422, "/tickets?after=WyItY3JlYXRlZCIsIjIwMjYtMDEt"),
    "a cursor that is not one": (422, "/tickets?after=%00"),
    "an unknown order": (422, "/tickets?sort=body"),
    "an unknown status": (422, "/tickets?status=open"),
    "a limit that is not a number": (422, "/tickets?limit=many"),
    "a limit of 0": (422, "/tickets?limit=0"),
    "a limit above the maximum": (422, "/tickets?limit=1001"),
    "a NUL": (422, "/tickets?team=%00"),
    "a search without words": (422, "/tickets?search=---"),
    "an invalid time": (422, "/tickets?since=yesterday"),
    "an unknown field": (422, "/tickets?fields=id,password"),
    "no field": (422, "/tickets?fields="),
    "an unknown parameter": (422, "/tickets?offset=5"),
    "an unknown ticket": (404, "/tickets/1"),
    "a number that overflows": (404, f"/tickets/{2**63}"),
    "a number of 300 digits": (404, f"/tickets/{'9' * 300}"),
    "a negative number": (404, "/tickets/-1"),
    "an id that is not a number": (422, "/tickets/first"),
    "a trailing slash": (404, "/tickets/"),
    "an unknown path": (404, "/admin"),
}


@pytest.mark.parametrize("name", PATHS)
async def test_an_invalid_query_or_path_is_refused(
    api: httpx.AsyncClient, rows: Callable[[], str], name: str
) -> None:
    status, path = PATHS[name]
    assert_refused(await api.get(path, headers=WRITER), status)
    assert rows() == ""


async def test_a_cursor_of_another_list_is_refused(api: httpx.AsyncClient, ask: Callable[[str], str]) -> None:
    ask("insert into tickets (subject) select n from generate_series(1, 3) n")
    page = (await api.get("/tickets", params={"limit": 1}, headers=WRITER)).json()
    cursor = page["next_cursor"]
    for query in ({"after": cursor, "sort": "created"}, {"after": f"{cursor[:-1]}A", "sort": "-created"}):
        assert_refused(await api.get("/tickets", params=query, headers=WRITER), 422)


@pytest.mark.parametrize("ticket_id", [1, 2**63, -1])
async def test_retrying_an_unknown_ticket_is_refused(
    api: httpx.AsyncClient, rows: Callable[[], str], ticket_id: int
) -> None:
    assert_refused(await api.post(f"/tickets/{ticket_id}/retry", headers=WRITER), 404)
    assert rows() == ""


@pytest.mark.parametrize(
    ("sent", "status", "challenge"),
    [
        ({}, 401, 'Bearer realm="ticketctl"'),
        ({"Authorization": "Basic d3JpdGVyOg=="}, 401, 'Bearer realm="ticketctl"'),
        ({"Authorization": "Bearer unknown"}, 401, 'error="invalid_token"'),
        ({"Authorization": "Bearer writer2"}, 401, 'error="invalid_token"'),
        ({"Authorization": b"Bearer \xff"}, 401, 'error="invalid_token"'),
        ({"Authorization": "Bearer reader"}, 403, 'error="insufficient_scope", scope="rw"'),
    ],
)
async def test_writing_needs_a_token_with_the_scope(
    api: httpx.AsyncClient, rows: Callable[[], str], sent: dict[str, Any], status: int, challenge: str
) -> None:
    response = await api.post("/tickets", json={"subject": "a"}, headers=sent)
    assert_refused(response, status)
    assert rows() == ""
    assert challenge in response.headers["www-authenticate"]


async def test_a_token_with_the_scope_r_may_read(api: httpx.AsyncClient) -> None:
    response = await api.get("/tickets", headers={"authorization": "bearer reader"})
    assert response.status_code == 200


async def test_health_and_documentation_need_no_token(api: httpx.AsyncClient) -> None:
    responses = [
        await api.get(path) for path in ("/healthz", "/openapi.json", "/docs", "/readyz", "/tickets")
    ]
    assert [response.status_code for response in responses] == [200, 200, 200, 401, 401]


async def test_an_unknown_method_gets_the_allowed_ones(api: httpx.AsyncClient) -> None:
    response = await api.delete("/tickets", headers=WRITER)
    assert_refused(response, 405)
    assert response.headers["allow"] == "GET, POST"


@pytest.mark.parametrize("path", ["/tickets", "/openapi.json", "/docs"])
async def test_too_many_requests_get_the_time_to_wait(emptied_url: str, path: str) -> None:
    async with open_client(Settings(database_url=emptied_url, api_rate=0.01)) as client:
        responses = [await client.get(path) for _ in range(2)]
        assert (await client.get("/healthz")).status_code == 200
    assert responses[0].status_code == 200
    assert_refused(responses[1], 429)
    assert 1 <= int(responses[1].headers["retry-after"]) <= 100


async def test_errors_name_the_field_and_not_the_value(api: httpx.AsyncClient) -> None:
    listed = await api.get("/tickets", params={"status": "hunter2", "limit": "hunter2"}, headers=WRITER)
    made = await api.post("/tickets", json={"subject": 1, "hunter2": 2}, headers=WRITER)
    places = [[one["at"] for one in response.json()["errors"]] for response in (listed, made)]
    assert places == [["query.status.0", "query.limit"], ["body.subject", "body.hunter2"]]
    assert "hunter2" not in listed.text
    reasons = [one["detail"] for response in (listed, made) for one in response.json()["errors"]]
    statuses = "new, processing, processed, needs_review, failed or closed"
    assert reasons == [
        f"it must be {statuses}", "it must be a whole number", "it must be text", "there is no such field",
    ]  # fmt: skip


async def test_the_number_of_errors_in_a_response_is_bounded(api: httpx.AsyncClient) -> None:
    response = await api.post("/tickets", json={str(number): 0 for number in range(90)}, headers=WRITER)
    assert_refused(response, 422)
    assert len(response.json()["errors"]) == 20


def assert_refused(response: httpx.Response, status: int) -> None:
    """Assert that this is a problem of that status without internal details."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert (problem["status"], problem["type"]) == (status, "about:blank")
    assert problem["title"]
    assert "Traceback" not in response.text
    assert ".py" not in response.text


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example.com"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}]
)
async def test_a_web_page_of_another_origin_may_not_write(
    api: httpx.AsyncClient, rows: Callable[[], str], headers: dict[str, str]
) -> None:
    assert_refused(await api.post("/tickets", json={"subject": "a"}, headers=WRITER | headers), 403)
    assert rows() == ""
