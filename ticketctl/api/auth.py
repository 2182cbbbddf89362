"""Who may use the API: bearer tokens (RFC 6750), each with a scope."""

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
"""Scopes: `rw` may do what `r` may."""
_LOCAL = re.compile(r"(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])(?::[0-9]{1,5})?", re.IGNORECASE)
_TOKENS_HINT = (
    "set TICKETCTL_API_TOKENS=rw:TOKEN; python -c 'import secrets; print(secrets.token_urlsafe())' makes one"
)


class Access:
    """The tokens that are known; where there are none, everybody may do everything.

    `local`: everybody is who is on this machine. A web page that somebody on it looks at is not, though its requests
    come from there: it names another host, or another origin.
    """

    def __init__(self, tokens: str | None, *, local: bool = False) -> None:
        self._local = local
        pairs = (one.strip().partition(":") for one in (tokens or "").split(",") if one.strip())
        self._scopes = [(_digest(token), scope) for scope, _, token in pairs]

    def check(self, headers: Mapping[str, str], *, writing: bool) -> None:
        """Refuse a request without a token that may do it. Raises HTTPException: 401, or 403 for the scope."""
        if not self._scopes:
            if self._local and not _is_local(headers):
                detail = "without tokens the API is served to this machine alone"
                raise HTTPException(HTTPStatus.FORBIDDEN, detail)
            return
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise _refusal(HTTPStatus.UNAUTHORIZED, "a bearer token is needed", "")
        sent = _digest(token.strip())
        # every one is looked at, so that the time it takes tells nothing
        scopes = [scope for known, scope in self._scopes if compare_digest(known, sent)]
        if not scopes:
            raise _refusal(HTTPStatus.UNAUTHORIZED, "the token is not known", ', error="invalid_token"')
        if writing and WRITE not in scopes:
            raise _refusal(
                HTTPStatus.FORBIDDEN,
                "the token may only read",
                f', error="insufficient_scope", scope="{WRITE}"',
            )


def require_for_host(settings: Settings, address: str) -> None:
    """Refuse to listen beyond this machine without tokens. Raises ConfigError."""
    if settings.api_tokens is None and not ipaddress.ip_address(address.partition("%")[0]).is_loopback:
        raise ConfigError(
            f"without tokens the API is served to this machine alone, not on {address}", hint=_TOKENS_HINT
        )


def require_for_lambda(settings: Settings) -> None:
    """Refuse to answer whoever calls the function without tokens. Raises ConfigError."""
    if settings.api_tokens is None and settings.api_auth != "gateway":
        raise ConfigError(
            "the API has no tokens",
            hint=f"{_TOKENS_HINT}; or TICKETCTL_API_AUTH=gateway, where the gateway in front of it asks for them",
        )


def _is_local(headers: Mapping[str, str]) -> bool:
    origin = headers.get("origin", "http://localhost")
    return all(_LOCAL.fullmatch(name) for name in (headers.get("host", ""), origin.partition("://")[2]))


def _digest(token: str) -> bytes:
    """Of one length for all, so that a comparison takes the same time for all."""
    return sha256(token.encode("utf-8", "surrogateescape")).digest()


def _refusal(status: HTTPStatus, detail: str, parameters: str) -> HTTPException:
    challenge = f'Bearer realm="ticketctl"{parameters}'
    return HTTPException(status, detail, headers={"WWW-Authenticate": challenge})
