"""Authentication of the API: bearer tokens (RFC 6750), each with a scope."""

import ipaddress
import re
from collections.abc import Mapping
from hashlib import sha256
from hmac import compare_digest
from http import HTTPStatus

from starlette.exceptions import HTTPException

from ticketctl.errors import ConfigError
from ticketctl.settings import Settings

READ, WRITE = "r", "rw"
"""Scopes; `rw` includes `r`."""
_LOCAL = re.compile(r"(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])(?::[0-9]{1,5})?", re.IGNORECASE)
_TOKENS_HINT = (
    "set TICKETCTL_API_TOKENS=rw:TOKEN; python -c 'import secrets; print(secrets.token_urlsafe())' prints one"
)


class TokenAuth:
    """The known tokens. Without any, every request is allowed.

    If `is_local`, an API without tokens allows only requests from this machine. Requests of a web page that is open in a
    browser on this machine are refused too: they name another host or another origin.
    """

    def __init__(self, tokens: str | None, *, is_local: bool = False) -> None:
        self._is_local = is_local
        pairs = (one.strip().partition(":") for one in (tokens or "").split(",") if one.strip())
        self._scopes = [(_digest(token), scope) for scope, _, token in pairs]

    def check(self, headers: Mapping[str, str], *, writing: bool) -> None:
        """Raise HTTPException with 401 without a known token, or with 403 if its scope does not allow the request."""
        if not self._scopes:
            if self._is_local and not _is_from_this_machine(headers):
                detail = "without tokens the API serves only this machine"
                raise HTTPException(HTTPStatus.FORBIDDEN, detail)
            return
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise _reject(HTTPStatus.UNAUTHORIZED, "a bearer token is required", "")
        sent = _digest(token.strip())
        # Every token is compared, so that the duration reveals nothing about them.
        scopes = [scope for known, scope in self._scopes if compare_digest(known, sent)]
        if not scopes:
            raise _reject(HTTPStatus.UNAUTHORIZED, "the token is unknown", ', error="invalid_token"')
        if writing and WRITE not in scopes:
            raise _reject(
                HTTPStatus.FORBIDDEN,
                "the token may only read",
                f', error="insufficient_scope", scope="{WRITE}"',
            )


def require_for_host(settings: Settings, address: str) -> None:
    """Raise ConfigError if the API would listen beyond this machine without tokens."""
    if settings.api_tokens is None and not ipaddress.ip_address(address.partition("%")[0]).is_loopback:
        raise ConfigError(
            f"without tokens the API serves only this machine, not {address}", hint=_TOKENS_HINT
        )


def require_for_lambda(settings: Settings) -> None:
    """Raise ConfigError if neither the function nor the gateway checks tokens."""
    if settings.api_tokens is None and settings.api_auth != "gateway":
        raise ConfigError(
            "the API has no tokens",
            hint=f"{_TOKENS_HINT}; or TICKETCTL_API_AUTH=gateway if the gateway in front of it authenticates callers",
        )


def _is_from_this_machine(headers: Mapping[str, str]) -> bool:
    origin = headers.get("origin", "http://localhost")
    return all(_LOCAL.fullmatch(name) for name in (headers.get("host", ""), origin.partition("://")[2]))


def _digest(token: str) -> bytes:
    """Return a digest; all have the same length, so that each comparison takes the same time."""
    return sha256(token.encode("utf-8", "surrogateescape")).digest()


def _reject(status: HTTPStatus, detail: str, parameters: str) -> HTTPException:
    challenge = f'Bearer realm="ticketctl"{parameters}'
    return HTTPException(status, detail, headers={"WWW-Authenticate": challenge})
