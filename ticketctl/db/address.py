"""Where the database is: any postgresql:// URL, its TLS context built once per process."""

import ssl
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from ticketctl.errors import ConfigError

_SCHEMES = frozenset({"postgresql", "postgres", "postgresql+asyncpg"})
_UNVERIFIED = frozenset({"disable", "allow", "prefer"})
_VERIFIED = frozenset({"require", "verify-ca", "verify-full"})
_HINT = "it looks like postgresql://user:password@host:5432/database?sslmode=verify-full"


@dataclass(frozen=True, slots=True)
class Address:
    """A database URL in the form that asyncpg reads (libpq's parameters in its query)."""

    dsn: str

    @classmethod
    def parse(cls, url: str) -> "Address":
        """Check a URL. Raises ConfigError, which never shows the password."""
        try:
            parts = urlsplit(url)
            parts.port  # noqa: B018 - reading it is what checks it
        except ValueError as error:
            raise ConfigError(f"the database URL cannot be read: {error}", hint=_HINT) from None
        if parts.scheme not in _SCHEMES:
            shown = f"its scheme is {parts.scheme}" if parts.scheme else "it has no scheme"
            raise ConfigError(f"the database URL must start with postgresql://, but {shown}", hint=_HINT)
        query = dict(parse_qsl(parts.query))
        mode = query.get("sslmode", "prefer")
        if mode not in _UNVERIFIED | _VERIFIED:
            known = "disable, allow, prefer, require, verify-ca, verify-full"
            raise ConfigError(f"the database URL's sslmode cannot be {mode}", hint=f"it can be {known}")
        return cls(urlunsplit(parts._replace(scheme="postgresql")))

    @property
    def shown(self) -> str:
        """The host and database, for people: no user, no password."""
        parts = urlsplit(self.dsn)
        host = parts.hostname or dict(parse_qsl(parts.query)).get("host", "localhost")
        port = f":{parts.port}" if parts.port else ""
        return f"{host}{port}/{unquote(parts.path.lstrip('/'))}"

    @property
    def password(self) -> str | None:
        """The password, if the URL has one."""
        password = urlsplit(self.dsn).password
        return None if password is None else unquote(password)

    @property
    def without_password(self) -> str:
        """The URL, less its password."""
        parts = urlsplit(self.dsn)
        user, at, host = parts.netloc.rpartition("@")
        return urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}{at}{host}"))

    def with_database(self, name: str) -> "Address":
        """The same server, another database."""
        return Address(urlunsplit(urlsplit(self.dsn)._replace(path=f"/{name}")))

    @property
    def connect_args(self) -> dict[str, Any]:
        """What asyncpg.connect takes: the dsn and, where TLS is demanded, the one shared context."""
        query = dict(parse_qsl(urlsplit(self.dsn).query))
        mode = query.get("sslmode", "prefer")
        if mode in _UNVERIFIED:
            return {"dsn": self.dsn}
        root = query.get("sslrootcert")
        return {"dsn": self.dsn, "ssl": _tls_context(mode, root, query.get("sslcert"), query.get("sslkey"))}


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
