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
    def shown(self) -> str:
        """The hosts and database, for people: no user, no password."""
        parts = urlsplit(self.dsn)
        hosts = unquote(parts.netloc.rpartition("@")[2])
        hosts = hosts or dict(parse_qsl(parts.query)).get("host", "localhost")
        return f"{hosts}/{unquote(parts.path.lstrip('/'))}"

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
        """What asyncpg.connect takes: the dsn and, where TLS is demanded, the one shared context."""
        query = dict(parse_qsl(urlsplit(self.dsn).query))
        mode = query.get("sslmode", "prefer")
        if mode in _UNVERIFIED:
            return {"dsn": self.dsn}
        root = query.get("sslrootcert")
        return {"dsn": self.dsn, "ssl": _tls_context(mode, root, query.get("sslcert"), query.get("sslkey"))}


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


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and int(text) < 2**16


def _joined(parts: SplitResult) -> str:
    """The URL again; `urlunsplit` leaves out the slashes before an empty host, which psql asks for."""
    return f"postgresql://{parts.netloc}{parts.path}" + (f"?{parts.query}" if parts.query else "")


@cache
def _tls_context(mode: str, root: str | None, certificate: str | None, key: str | None) -> ssl.SSLContext:
    """Libpq's meaning of sslmode: https://www.postgresql.org/docs/current/libpq-ssl.html."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = mode == "verify-full"
    try:
        if root == "system":
            context.load_default_certs()
        elif root is not None:
            context.load_verify_locations(cafile=root)
        elif mode == "require":
            context.verify_mode = ssl.CERT_NONE
        else:
            context.load_verify_locations(cafile=Path.home() / ".postgresql" / "root.crt")
        if certificate is not None:
            context.load_cert_chain(certificate, key)
    except OSError as error:
        hint = "sslrootcert names the certificate authority's file, or is system"
        raise ConfigError(
            f"the TLS certificates for the database cannot be read: {error}", hint=hint
        ) from None
    return context
