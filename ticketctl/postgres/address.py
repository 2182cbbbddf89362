"""Where the database is: any postgresql:// URL, its TLS context built once per process."""

import re
import ssl
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from ticketctl.errors import ConfigError

_SCHEMES = frozenset({"postgresql", "postgres", "postgresql+asyncpg"})
_UNVERIFIED = frozenset({"disable", "allow", "prefer"})
_VERIFIED = frozenset({"require", "verify-ca", "verify-full"})
_HINT = "it looks like postgresql://user:password@host:5432/database?sslmode=verify-full"
_ESCAPES = "in a user or password write @ as %40, : as %3A, / as %2F, ? as %3F, # as %23, % as %25"
_SECRETS = frozenset({"password", "sslpassword"})
_PORT = 5432
_TLS = (
    "sslcert",
    "sslkey",
    "sslpassword",
    "sslcrl",
    "ssl_min_protocol_version",
    "ssl_max_protocol_version",
)
"""Parameters that a TLS context is built from, beside sslmode and sslrootcert."""

_HOST = r"(?:\[[0-9A-Fa-f:.]+(?:%[^\]]+)?\]|[^\[\]:,@]*)(?::\d{1,5})?"
_USER_AND_HOSTS = re.compile(rf"(?:[^@]*@)?{_HOST}(?:,{_HOST})*")


@dataclass(frozen=True, slots=True)
class Address:
    """A database URL in the form that asyncpg reads (libpq's parameters in its query)."""

    dsn: str

    @classmethod
    def parse(cls, url: str) -> "Address":
        """Check a URL. Raises ConfigError, which never shows the password."""
        parts = _split(url)
        mode = dict(parse_qsl(parts.query)).get("sslmode", "prefer")
        if mode not in _UNVERIFIED | _VERIFIED:
            known = "disable, allow, prefer, require, verify-ca, verify-full"
            raise ConfigError(f"the database URL's sslmode cannot be {mode}", hint=f"it can be {known}")
        return cls(_joined(parts))

    @property
    def display_name(self) -> str:
        """The hosts and database, for people: no user, no password."""
        parts = urlsplit(self.dsn)
        hosts = unquote(parts.netloc.rpartition("@")[2])
        hosts = hosts or dict(parse_qsl(parts.query)).get("host", "localhost")
        return f"{hosts}/{unquote(parts.path.lstrip('/'))}"

    @property
    def endpoints(self) -> list[tuple[str, int]]:
        """Host and port of each server that is reached across the network: none for a Unix socket."""
        parts = urlsplit(self.dsn)
        query = dict(parse_qsl(parts.query))
        port = int(query.get("port", str(_PORT)).partition(",")[0])
        named = query.get("host") or parts.netloc.rpartition("@")[2]
        found = [_endpoint(one, port) for one in named.split(",") if one]
        return [(host, port) for host, port in found if not host.startswith("/")]

    @property
    def user(self) -> str | None:
        """The user, if the URL has one."""
        parts = urlsplit(self.dsn)
        user = parts.netloc.rpartition("@")[0].partition(":")[0]
        return unquote(user) or dict(parse_qsl(parts.query)).get("user")

    @property
    def requires_tls(self) -> bool:
        """Whether no connection across the network goes without TLS."""
        return self._sslmode in _VERIFIED

    @property
    def _sslmode(self) -> str:
        return dict(parse_qsl(urlsplit(self.dsn).query)).get("sslmode", "prefer")

    @property
    def password(self) -> str | None:
        """The password, if the URL has one."""
        parts = urlsplit(self.dsn)
        user, _, _ = parts.netloc.rpartition("@")
        password = user.partition(":")[2]
        return unquote(password) if password else dict(parse_qsl(parts.query)).get("password")

    @property
    def without_password(self) -> str:
        """The URL, less its password."""
        parts = urlsplit(self.dsn)
        user, at, hosts = parts.netloc.rpartition("@")
        query = [pair for pair in parts.query.split("&") if unquote(pair.partition("=")[0]) not in _SECRETS]
        return _joined(parts._replace(netloc=f"{user.partition(':')[0]}{at}{hosts}", query="&".join(query)))

    def with_database(self, name: str) -> "Address":
        """The same server, another database."""
        return Address(_joined(urlsplit(self.dsn)._replace(path=f"/{name}")))

    @property
    def connect_args(self) -> dict[str, Any]:
        """What asyncpg.connect takes: the dsn and, where TLS is demanded, the one shared context.

        `prefer` stays the driver's: with a context of ours it would demand TLS. The one that it makes holds no
        certificates, and takes 0.3 ms.
        """
        if not self.requires_tls:
            return {"dsn": self.dsn}
        query = dict(parse_qsl(urlsplit(self.dsn).query))
        root = query.get("sslrootcert") or _authority_at_hand(self._sslmode)
        parameters = tuple((name, query[name]) for name in _TLS if name in query)
        return {"dsn": self.dsn, "ssl": _tls_context(self._sslmode, root, parameters)}


def _split(url: str) -> SplitResult:
    """Read a URL; what a parser says of an unreadable one may quote its password, so it is never passed on."""
    unreadable = ConfigError("the database URL cannot be read", hint=f"{_HINT}; {_ESCAPES}")
    try:
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query, strict_parsing=True))
    except ValueError:
        raise unreadable from None
    if parts.scheme not in _SCHEMES:
        shown = f"its scheme is {parts.scheme}" if parts.scheme else "it has no scheme"
        raise ConfigError(f"the database URL must start with postgresql://, but {shown}", hint=_HINT)
    ports = [*re.findall(r":(\d+)(?=,|$)", parts.netloc), *query.get("port", "0").split(",")]
    if not (_USER_AND_HOSTS.fullmatch(parts.netloc) and all(map(_is_port, ports))):
        raise unreadable
    if "@" in parts.path or parts.fragment:
        raise unreadable
    return parts


def _endpoint(text: str, port: int) -> tuple[str, int]:
    host, colon, own = text.rpartition(":")
    if not colon or not own.isdigit():
        host, own = text, str(port)
    return unquote(host).strip("[]"), int(own)


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and int(text) < 2**16


def _joined(parts: SplitResult) -> str:
    """The URL again; `urlunsplit` leaves out the slashes before an empty host, which psql asks for."""
    return f"postgresql://{parts.netloc}{parts.path}" + (f"?{parts.query}" if parts.query else "")


def _authority_at_hand(mode: str) -> str | None:
    """Libpq's default for sslrootcert; where the file is there, it takes `require` for verify-ca."""
    default = Path.home() / ".postgresql" / "root.crt"
    return str(default) if mode != "require" or default.exists() else None


@cache
def _tls_context(mode: str, root: str | None, parameters: tuple[tuple[str, str], ...]) -> ssl.SSLContext:
    """Libpq's meaning of sslmode: https://www.postgresql.org/docs/current/libpq-ssl.html."""
    chosen = dict(parameters)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = mode == "verify-full"
    # direct negotiation asks for it: https://www.postgresql.org/docs/current/protocol-flow.html
    context.set_alpn_protocols(["postgresql"])
    try:
        _trust(context, root, chosen.get("sslcrl"))
        if "sslcert" in chosen:
            context.load_cert_chain(
                chosen["sslcert"], chosen.get("sslkey"), lambda: chosen.get("sslpassword", "")
            )
        if "ssl_min_protocol_version" in chosen:
            context.minimum_version = _version(chosen["ssl_min_protocol_version"])
        if "ssl_max_protocol_version" in chosen:
            context.maximum_version = _version(chosen["ssl_max_protocol_version"])
    except OSError as error:
        raise ConfigError(
            f"the TLS certificates for the database cannot be read: {error}",
            hint="sslrootcert names the certificate authority's file, or is system",
        ) from None
    return context


def _trust(context: ssl.SSLContext, root: str | None, revoked: str | None) -> None:
    if root is None:
        context.verify_mode = ssl.CERT_NONE
    elif root == "system":
        context.load_default_certs()
    else:
        context.load_verify_locations(cafile=root)
    if revoked is not None:
        context.load_verify_locations(cafile=revoked)
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN


def _version(name: str) -> ssl.TLSVersion:
    try:
        return ssl.TLSVersion[name.replace(".", "_")]
    except KeyError:
        raise ConfigError(
            f"the database URL names no TLS version: {name}", hint="for example TLSv1.3"
        ) from None
