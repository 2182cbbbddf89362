import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticketctl import event_loops
from ticketctl.api.auth import TokenAuth
from ticketctl.api.middleware import AdmissionMiddleware
from ticketctl.api.rate_limit import RateLimit

LIMIT = 100


class Application:
    """The application behind the middleware; it keeps the bodies that it receives."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.key_owners: list[str | None] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        self.bodies.append(message["body"])
        self.key_owners.append(scope.get("state", {}).get("key_owner"))
        assert not message["more_body"]
        assert (await receive())["type"] == "http.disconnect"
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})


class Client:
    """Sends a body in parts and keeps the response; `received` counts the parts that the server asked for.

    If it `leaves`, it disconnects before the end of its body; if it `stalls`, it sends nothing more.
    """

    def __init__(
        self,
        parts: list[bytes],
        *,
        leaves: bool = False,
        stalls: bool = False,
        address: str = "192.0.2.1",
        path: str = "/tickets",
        **headers: str,
    ) -> None:
        self.scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
            "client": (address, 1),
        }
        self._messages = [
            {"type": "http.request", "body": part, "more_body": leaves or stalls or number < len(parts)}
            for number, part in enumerate(parts, 1)
        ]
        self._stalls = stalls
        self.received = 0
        self.sent: list[dict[str, Any]] = []

    async def receive(self) -> dict[str, Any]:
        if self.received < len(self._messages):
            self.received += 1
            return self._messages[self.received - 1]
        if self._stalls:
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int | None:
        return self.sent[0]["status"] if self.sent else None

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def detail(self) -> str:
        return str(json.loads(self.sent[1]["body"])["detail"])


def make_middleware(
    app: Any, *, tokens: str | None = None, rate: float = 1000, body_seconds: float = 60
) -> AdmissionMiddleware:
    return AdmissionMiddleware(
        app,
        auth=TokenAuth(tokens),
        rate=RateLimit(rate),
        body_limit=LIMIT,
        body_seconds=body_seconds,
        open_paths={"/healthz", "/docs"},
        unlimited_paths={"/healthz"},
    )


def send(client: Client, **options: Any) -> tuple[int | None, list[bytes]]:
    app = Application()
    middleware = make_middleware(app, **options)
    event_loops.run(middleware(client.scope, client.receive, client.send))
    return client.status, app.bodies


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=8))
def test_the_application_receives_a_whole_body_or_none(parts: list[bytes]) -> None:
    whole = b"".join(parts)
    fits = len(whole) <= LIMIT
    assert send(Client(parts)) == ((204, [whole]) if fits else (413, []))


def test_of_a_body_that_is_too_large_a_bounded_part_is_read() -> None:
    client = Client([b"a" * 60] * 50, transfer_encoding="chunked")
    assert send(client) == (413, [])
    assert (
        client.received == 4
    )  # 120 bytes until it is too large, 120 more so that the client reads the response
    assert client.headers["connection"] == "close"


@pytest.mark.parametrize("length", ["101", "00000101", "9" * 20, "1" + "0" * 400, "0" * 5000 + "101"])
def test_a_declared_length_of_any_number_of_digits_is_compared(length: str) -> None:
    client = Client([b"a"], content_length=length, expect="100-continue")
    assert send(client) == (413, [])
    assert client.received == 0
    assert client.headers["connection"] == "close"


def test_a_declared_length_that_is_not_a_number_is_ignored() -> None:
    for length in ("", "-5", "0" * 5000, "\u00b2", "0x99"):
        assert send(Client([b"a"], content_length=length)) == (204, [b"a"])


def test_a_refused_request_with_its_whole_body_keeps_its_connection() -> None:
    client = Client([b"a"], content_length="1")
    assert send(client, tokens="rw:known") == (401, [])
    assert "connection" not in client.headers


def test_a_client_that_disconnects_gets_no_response() -> None:
    assert send(Client([b"a"], leaves=True)) == (None, [])


def test_a_body_that_does_not_arrive_in_time_gets_408_and_its_connection_is_closed() -> None:
    client = Client([b"a"], stalls=True, transfer_encoding="chunked")
    assert send(client, body_seconds=0.01) == (408, [])
    assert client.headers["connection"] == "close"
    assert client.detail == "the body did not arrive within 0.01 seconds"


async def test_a_half_sent_body_gets_503_when_the_server_stops() -> None:
    app = Application()
    middleware = make_middleware(app)
    clients = [Client([b"a"], stalls=True, content_length="9") for _ in range(3)]
    tasks = [
        asyncio.create_task(middleware(one.scope, one.receive, one.send))  # type: ignore[arg-type] # as uvicorn
        for one in clients
    ]
    await asyncio.sleep(0.01)
    middleware.stop_reading()
    await asyncio.gather(*tasks)
    late = Client([b"a"])
    await middleware(late.scope, late.receive, late.send)  # type: ignore[arg-type] # as uvicorn
    for client in (*clients, late):
        assert (client.status, client.detail) == (503, "the server is stopping")
        assert client.headers["retry-after"] == "5"
    assert app.bodies == []


def send_all(clients: list[Client], **options: Any) -> list[int | None]:
    middleware = make_middleware(Application(), **options)
    for client in clients:
        event_loops.run(middleware(client.scope, client.receive, client.send))
    return [client.status for client in clients]


def test_clients_with_tokens_are_limited_by_token_whatever_their_address() -> None:
    def client(token: str, number: int) -> Client:
        return Client([b"a"], address=f"192.0.2.{number}", authorization=f"Bearer {token}")

    tokens = [client(token, number) for number, token in enumerate(["one", "one", "two", "two"])]
    assert send_all(tokens, tokens="rw:one,rw:two", rate=1) == [204, 429, 204, 429]


def test_refused_requests_have_a_limit_of_their_own() -> None:
    guesses = [Client([b"a"], authorization=f"Bearer {number}") for number in range(3)]
    known = Client([b"a"], authorization="Bearer one")
    assert send_all([*guesses, known], tokens="rw:one", rate=1) == [401, 429, 429, 204]


def test_clients_without_tokens_are_limited_by_address_and_by_ipv6_network() -> None:
    addresses = ["192.0.2.1", "192.0.2.2", "192.0.2.1", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"]
    assert send_all([Client([b"a"], address=one) for one in addresses], rate=1) == [
        204, 204, 429, 204, 429, 204,
    ]  # fmt: skip


def test_public_paths_need_no_token_but_are_limited_except_for_the_health_check() -> None:
    paths = ["/docs", "/docs", "/healthz", "/healthz"]
    assert send_all([Client([b""], path=path) for path in paths], tokens="rw:one", rate=1) == [
        204, 429, 204, 204,
    ]  # fmt: skip
