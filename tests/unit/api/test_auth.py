import pytest
from starlette.exceptions import HTTPException

from ticketctl.api.auth import TokenAuth, require_for_host, require_for_lambda
from ticketctl.errors import ConfigError
from ticketctl.settings import Settings

KNOWN = TokenAuth("r:reader, rw:writer,rw:second")


def get_status(auth: TokenAuth, *, writing: bool = True, **headers: str) -> int:
    try:
        auth.check({name.replace("_", "-"): value for name, value in headers.items()}, writing=writing)
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
def test_the_scope_of_a_token_decides_what_it_allows(token: str | None, reading: int, writing: int) -> None:
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    assert get_status(KNOWN, writing=False, **headers) == reading
    assert get_status(KNOWN, writing=True, **headers) == writing


def test_a_token_with_both_scopes_may_read_and_write() -> None:
    assert get_status(TokenAuth("r:both,rw:both"), authorization="Bearer both") == 200


def test_without_tokens_every_request_is_allowed() -> None:
    assert get_status(TokenAuth(None)) == 200


def test_the_own_token_of_a_process_may_write_and_others_are_unknown() -> None:
    auth = TokenAuth(None, own_token="made")  # noqa: S106 - of the test
    assert get_status(auth, authorization="Bearer made") == 200
    assert get_status(auth, authorization="Bearer other") == 401
    assert get_status(auth) == 401


def test_each_token_has_a_name_of_its_own_and_the_own_token_has_none() -> None:
    auth = TokenAuth("r:reader,rw:writer", own_token="made")  # noqa: S106 - of the test
    names = [auth.check({"authorization": f"Bearer {one}"}, writing=False) for one in ("reader", "writer")]
    assert len(set(names)) == 2
    assert all(names)
    assert names[1] == KNOWN.check({"authorization": "Bearer writer"}, writing=True)
    assert auth.check({"authorization": "Bearer made"}, writing=True) == ""


LOCAL = ("localhost:8000", "127.0.0.1", "LOCALHOST", "[::1]:80")
FOREIGN = ("tickets.example.com", "localhost.example.com", "127.0.0.1.example.com", "", "192.0.2.1:8000")
WITHOUT_TOKENS = TokenAuth(None, is_local=True)


@pytest.mark.parametrize("host", LOCAL)
def test_without_tokens_requests_from_this_machine_are_allowed(host: str) -> None:
    assert get_status(WITHOUT_TOKENS, host=host) == 200
    assert get_status(WITHOUT_TOKENS, host=host, origin=f"http://{host}") == 200


@pytest.mark.parametrize("host", FOREIGN)
def test_without_tokens_a_web_page_of_another_host_is_refused(host: str) -> None:
    assert get_status(WITHOUT_TOKENS, host=host) == 403
    for origin in (f"https://{host}", "null"):
        assert get_status(WITHOUT_TOKENS, host="localhost:8000", origin=origin) == 403
        assert get_status(WITHOUT_TOKENS, writing=False, host="localhost:8000", origin=origin) == 403


def test_with_a_token_a_program_may_call_from_anywhere() -> None:
    auth = TokenAuth("rw:a", is_local=True)
    assert get_status(auth, host="tickets.example.com", authorization="Bearer a") == 200


@pytest.mark.parametrize(
    ("headers", "writing"),
    [
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "same-site"}, 403),
        ({"sec_fetch_site": "same-origin"}, 200),
        ({"sec_fetch_site": "none"}, 200),
        ({"origin": "https://api.example.com"}, 200),
        ({"origin": "https://API.example.com"}, 200),
        ({"origin": "https://evil.example.com"}, 403),
        ({"origin": "https://api.example.com:8443"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "https://evil.example.com", "sec_fetch_site": "same-origin"}, 200),
    ],
)
def test_a_web_page_of_another_origin_may_not_write(headers: dict[str, str], writing: int) -> None:
    sent = {"authorization": "Bearer writer", "host": "api.example.com"} | headers
    assert get_status(KNOWN, writing=True, **sent) == writing
    assert get_status(KNOWN, writing=False, **sent) == 200


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1"])
def test_a_loopback_address_needs_no_tokens(address: str) -> None:
    require_for_host(Settings(), address)


@pytest.mark.parametrize("address", ["0.0.0.0", "192.0.2.1", "::", "fe80::1%eth0"])  # noqa: S104 - refused
def test_any_other_address_needs_tokens(address: str) -> None:
    with pytest.raises(ConfigError, match="without tokens"):
        require_for_host(Settings(api_auth="gateway"), address)
    require_for_host(Settings(api_tokens="r:a"), address)


def test_lambda_needs_tokens_or_a_gateway_that_authenticates() -> None:
    with pytest.raises(ConfigError) as raised:
        require_for_lambda(Settings())
    assert "TICKETCTL_API_AUTH=gateway" in str(raised.value.hint)
    require_for_lambda(Settings(api_tokens="r:a"))
    require_for_lambda(Settings(api_auth="gateway"))
