import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ticketctl import event_loops
from ticketctl.api.auth import TokenAuth
from ticketctl.api.middleware import AdmissionMiddleware
from ticketctl.api.rate_limit import RateLimit

LIMIT = 100


class Application:
    """What is behind the gate: it keeps the bodies that it got."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def __call__(self, _scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        self.bodies.append(message["body"])
        assert not message["more_body"]
        assert (await receive())["type"] == "http.disconnect"
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})


class Client:
    """Sends a body in parts, and takes what is answered; `taken` counts the parts that were asked for."""

    def __init__(self, parts: list[bytes], *, leaves: bool = False, **headers: str) -> None:
        self.scope = {
            "type": "http",
            "method": "POST",
            "path": "/tickets",
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
            "client": ("192.0.2.1", 1),
        }
        self._messages = [
            {"type": "http.request", "body": part, "more_body": leaves or number < len(parts)}
            for number, part in enumerate(parts, 1)
        ]
        self.taken = 0
        self.sent: list[dict[str, Any]] = []

    async def receive(self) -> dict[str, Any]:
        if self.taken == len(self._messages):
            return {"type": "http.disconnect"}
        self.taken += 1
        return self._messages[self.taken - 1]

    async def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int | None:
        return self.sent[0]["status"] if self.sent else None


def ask(client: Client) -> tuple[int | None, list[bytes]]:
    app = Application()
    gate = AdmissionMiddleware(
        app, auth=TokenAuth(None), rate=RateLimit(1000), body_limit=LIMIT, open_paths={"/healthz"}
    )
    event_loops.run(gate(client.scope, client.receive, client.send))
    return client.status, app.bodies


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=8))
def test_a_body_comes_whole_or_not_at_all(parts: list[bytes]) -> None:
    whole = b"".join(parts)
    fits = len(whole) <= LIMIT
    assert ask(Client(parts)) == ((204, [whole]) if fits else (413, []))


def test_no_more_is_read_than_the_limit() -> None:
    client = Client([b"a" * 60] * 50)
    assert ask(client) == (413, [])
    assert client.taken == 2
    assert json.loads(client.sent[1]["body"])["status"] == 413


def test_what_says_that_it_is_larger_is_not_read_at_all() -> None:
    client = Client([b"a"], content_length="101")
    assert ask(client) == (413, [])
    assert client.taken == 0


def test_a_length_that_is_no_number_is_not_believed() -> None:
    for told in ("", "-5", "9" * 5000, "\u00b2"):
        assert ask(Client([b"a"], content_length=told)) == (204, [b"a"])


def test_who_leaves_gets_no_answer() -> None:
    assert ask(Client([b"a"], leaves=True)) == (None, [])
