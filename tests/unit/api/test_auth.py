import pytest
from starlette.exceptions import HTTPException

from ticketctl.api.auth import TokenAuth, require_for_host, require_for_lambda
from ticketctl.errors import ConfigError
from ticketctl.settings import Settings

KNOWN = TokenAuth("r:reader, rw:writer,rw:second")


def status(token: str | None, *, writing: bool) -> int:
    try:
        KNOWN.check({} if token is None else {"authorization": f"Bearer {token}"}, writing=writing)
    except HTTPException as refusal:
        return refusal.status_code
    return 200


@pytest.mark.parametrize(
    ("token", "reading", "writing"),
    [
        ("reader", 200, 403),
        ("writer", 200, 200),
        ("second", 200, 200),
        (" writer ", 200, 200),
        ("Writer", 401, 401),
        ("rw:writer", 401, 401),
        ("writer,", 401, 401),
        ("", 401, 401),
        (None, 401, 401),
    ],
)
def test_a_token_may_do_what_its_scope_says(token: str | None, reading: int, writing: int) -> None:
    assert (status(token, writing=False), status(token, writing=True)) == (reading, writing)


def test_a_token_with_both_scopes_may_do_both() -> None:
    TokenAuth("r:both,rw:both").check({"authorization": "Bearer both"}, writing=True)


def test_where_there_are_no_tokens_none_is_asked_for() -> None:
    TokenAuth(None).check({}, writing=True)


HERE = ("localhost:8000", "127.0.0.1", "LOCALHOST", "[::1]:80")
ELSEWHERE = ("tickets.example.com", "localhost.example.com", "127.0.0.1.example.com", "", "192.0.2.1:8000")


def local_status(**headers: str) -> int:
    try:
        TokenAuth(None, is_local=True).check(headers, writing=True)
    except HTTPException as refusal:
        return refusal.status_code
    return 200


@pytest.mark.parametrize("here", HERE)
def test_who_is_on_this_machine_is_served_without_tokens(here: str) -> None:
    assert local_status(host=here) == 200
    assert local_status(host=here, origin=f"http://{here}") == 200


@pytest.mark.parametrize("elsewhere", ELSEWHERE)
def test_a_web_page_from_elsewhere_is_not_though_its_requests_come_from_here(elsewhere: str) -> None:
    assert local_status(host=elsewhere) == 403
    assert local_status(host="localhost:8000", origin=f"https://{elsewhere}") == 403
    assert local_status(host="localhost:8000", origin="null") == 403


def test_who_has_a_token_may_come_from_anywhere() -> None:
    access = TokenAuth("rw:a", is_local=True)
    access.check({"host": "tickets.example.com", "authorization": "Bearer a"}, writing=True)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1"])
def test_this_machine_needs_no_tokens(address: str) -> None:
    require_for_host(Settings(), address)


@pytest.mark.parametrize("address", ["0.0.0.0", "192.0.2.1", "::", "fe80::1%eth0"])  # noqa: S104 - refused
def test_others_do(address: str) -> None:
    with pytest.raises(ConfigError, match="without tokens"):
        require_for_host(Settings(api_auth="gateway"), address)
    require_for_host(Settings(api_tokens="r:a"), address)


def test_lambda_needs_tokens_or_a_gateway_that_asks_for_them() -> None:
    with pytest.raises(ConfigError) as raised:
        require_for_lambda(Settings())
    assert "TICKETCTL_API_AUTH=gateway" in str(raised.value.hint)
    require_for_lambda(Settings(api_tokens="r:a"))
    require_for_lambda(Settings(api_auth="gateway"))
