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
_NAME_LENGTH = 32
"""Hexadecimal digits of a token's name: 128 bits of its digest."""
_LOCAL = re.compile(r"(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])(?::[0-9]{1,5})?", re.IGNORECASE)
_TOKENS_HINT = (
    "set TICKETCTL_API_TOKENS=rw:TOKEN; python -c 'import secrets; print(secrets.token_urlsafe())' prints one"
)


class TokenAuth:
    """The known tokens. Without any, every request is allowed.

    If `is_local`, an API without tokens allows only requests from this machine. Requests of a web page that is open in a
    browser on this machine are refused too: they name another host or another origin. `own_token` is one that this
    process made for the person who started it; it has the scope rw.
    """

    def __init__(self, tokens: str | None, *, own_token: str | None = None, is_local: bool = False) -> None:
        self._is_local = is_local
        pairs = (one.strip().partition(":") for one in (tokens or "").split(",") if one.strip())
        self._scopes = [(_digest(token), scope) for scope, _, token in pairs]
        self._own = None if own_token is None else _digest(own_token)
        if self._own is not None:
            self._scopes.append((self._own, WRITE))

    @property
    def has_tokens(self) -> bool:
        """Return whether requests need a token."""
        return bool(self._scopes)

    def check(self, headers: Mapping[str, str], *, writing: bool) -> str:
        """Return a name for the token, the same in every process; it is empty without tokens and for the own token.

        Raises:
            HTTPException: 401 without a known token, 403 if its scope does not allow the request, or if a web page of
                another origin wants to write.
        """
        if writing and not _is_same_origin(headers):
            raise HTTPException(HTTPStatus.FORBIDDEN, "a web page of another origin may not write")
        if not self._scopes:
            if self._is_local and not _is_from_this_machine(headers):
                detail = "without tokens the API serves only this machine"
                raise HTTPException(HTTPStatus.FORBIDDEN, detail)
            return ""
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
        return "" if sent == self._own else sent.hex()[:_NAME_LENGTH]


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


def _is_same_origin(headers: Mapping[str, str]) -> bool:
    """Return False for the request of a web page that another site serves.

    Browsers set both headers and let no page change them. Programs send neither.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in {"same-origin", "none"}
    origin = headers.get("origin")
    return origin is None or origin.partition("://")[2].lower() == headers.get("host", "").lower()


def _is_from_this_machine(headers: Mapping[str, str]) -> bool:
    origin = headers.get("origin", "http://localhost")
    return all(_LOCAL.fullmatch(name) for name in (headers.get("host", ""), origin.partition("://")[2]))


def _digest(token: str) -> bytes:
    """Return a digest; all have the same length, so that each comparison takes the same time."""
    return sha256(token.encode("utf-8", "surrogateescape")).digest()


def _reject(status: HTTPStatus, detail: str, parameters: str) -> HTTPException:
    challenge = f'Bearer realm="ticketctl"{parameters}'
    return HTTPException(status, detail, headers={"WWW-Authenticate": challenge})
