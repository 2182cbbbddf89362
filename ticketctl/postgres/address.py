"""Parse postgresql:// URLs and build the TLS context, once per process."""

import re
import ssl
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from ticketctl.errors import ConfigError

_SCHEMES = frozenset({"postgresql", "postgres", "postgresql+asyncpg"})
_OPTIONAL_TLS = frozenset({"disable", "allow", "prefer"})
_REQUIRED_TLS = frozenset({"require", "verify-ca", "verify-full"})
_HINT = "it looks like postgresql://user:password@host:5432/database?sslmode=verify-full"
_ESCAPES = "in a user or password write @ as %40, : as %3A, / as %2F, ? as %3F, # as %23, % as %25"
_SECRET_PARAMETERS = frozenset({"password", "sslpassword"})
_DEFAULT_PORT = 5432
_TLS_PARAMETERS = (
    "sslcert",
    "sslkey",
    "sslpassword",
    "sslcrl",
    "ssl_min_protocol_version",
    "ssl_max_protocol_version",
)
"""URL parameters that configure the TLS context, beside sslmode and sslrootcert."""

_HOST = r"(?:\[[0-9A-Fa-f:.]+(?:%[^\]]+)?\]|[^\[\]:,@]*)(?::\d{1,5})?"
_USER_AND_HOSTS = re.compile(rf"(?:[^@]*@)?{_HOST}(?:,{_HOST})*")


@dataclass(frozen=True, slots=True)
class Address:
    """A database URL in the form that asyncpg accepts, with libpq's parameters in its query."""

    dsn: str

    @classmethod
    def parse(cls, url: str) -> "Address":
        """Parse and check a URL. Raises ConfigError, whose text never contains the password."""
        parts = _split(url)
        mode = dict(parse_qsl(parts.query)).get("sslmode", "prefer")
        if mode not in _OPTIONAL_TLS | _REQUIRED_TLS:
            known = "disable, allow, prefer, require, verify-ca, verify-full"
            raise ConfigError(f"the database URL's sslmode cannot be {mode}", hint=f"it can be {known}")
        return cls(_unsplit(parts))

    @property
    def display_name(self) -> str:
        """The hosts and the database, without user and password, for messages."""
        parts = urlsplit(self.dsn)
        hosts = unquote(parts.netloc.rpartition("@")[2])
        hosts = hosts or dict(parse_qsl(parts.query)).get("host", "localhost")
        return f"{hosts}/{unquote(parts.path.lstrip('/'))}"

    @property
    def endpoints(self) -> list[tuple[str, int]]:
        """Host and port of each server across the network; empty for a Unix socket."""
        parts = urlsplit(self.dsn)
        query = dict(parse_qsl(parts.query))
        port = int(query.get("port", str(_DEFAULT_PORT)).partition(",")[0])
        hosts = query.get("host") or parts.netloc.rpartition("@")[2]
        endpoints = [_parse_endpoint(one, port) for one in hosts.split(",") if one]
        return [(host, port) for host, port in endpoints if not host.startswith("/")]

    @property
    def user(self) -> str | None:
        """The user, or None if the URL has none."""
        parts = urlsplit(self.dsn)
        user = parts.netloc.rpartition("@")[0].partition(":")[0]
        return unquote(user) or dict(parse_qsl(parts.query)).get("user")

    @property
    def requires_tls(self) -> bool:
        """Whether every connection across the network must use TLS."""
        return self._sslmode in _REQUIRED_TLS

    @property
    def _sslmode(self) -> str:
        return dict(parse_qsl(urlsplit(self.dsn).query)).get("sslmode", "prefer")

    @property
    def password(self) -> str | None:
        """The password, or None if the URL has none."""
        parts = urlsplit(self.dsn)
        user, _, _ = parts.netloc.rpartition("@")
        password = user.partition(":")[2]
        return unquote(password) if password else dict(parse_qsl(parts.query)).get("password")

    @property
    def without_password(self) -> str:
        """The URL without its passwords."""
        parts = urlsplit(self.dsn)
        user, at, hosts = parts.netloc.rpartition("@")
        query = [
            pair
            for pair in parts.query.split("&")
            if unquote(pair.partition("=")[0]) not in _SECRET_PARAMETERS
        ]
        return _unsplit(parts._replace(netloc=f"{user.partition(':')[0]}{at}{hosts}", query="&".join(query)))

    def with_database(self, name: str) -> "Address":
        """Return the address of another database on the same server."""
        return Address(_unsplit(urlsplit(self.dsn)._replace(path=f"/{name}")))

    @property
    def connect_args(self) -> dict[str, Any]:
        """The arguments of asyncpg.connect: the dsn and, where TLS is required, the shared TLS context.

        For `prefer` the driver makes its own context, which holds no certificates and takes 0.3 ms: given a context of
        ours, it would require TLS.
        """
        if not self.requires_tls:
            return {"dsn": self.dsn}
        query = dict(parse_qsl(urlsplit(self.dsn).query))
        root = query.get("sslrootcert") or _default_root_certificate(self._sslmode)
        parameters = tuple((name, query[name]) for name in _TLS_PARAMETERS if name in query)
        return {"dsn": self.dsn, "ssl": _tls_context(self._sslmode, root, parameters)}


def _split(url: str) -> SplitResult:
    """Split a URL. The parser's own error is never passed on: it may quote the password."""
    unreadable = ConfigError("the database URL cannot be read", hint=f"{_HINT}; {_ESCAPES}")
    try:
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query, strict_parsing=True))
    except ValueError:
        raise unreadable from None
    if parts.scheme not in _SCHEMES:
        problem = f"its scheme is {parts.scheme}" if parts.scheme else "it has no scheme"
        raise ConfigError(f"the database URL must start with postgresql://, but {problem}", hint=_HINT)
    ports = [*re.findall(r":(\d+)(?=,|$)", parts.netloc), *query.get("port", "0").split(",")]
    if not (_USER_AND_HOSTS.fullmatch(parts.netloc) and all(map(_is_port, ports))):
        raise unreadable
    if "@" in parts.path or parts.fragment:
        raise unreadable
    return parts


def _parse_endpoint(text: str, port: int) -> tuple[str, int]:
    host, colon, own = text.rpartition(":")
    if not colon or not own.isdigit():
        host, own = text, str(port)
    return unquote(host).strip("[]"), int(own)


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and int(text) < 2**16


def _unsplit(parts: SplitResult) -> str:
    """Join the parts of a URL. `urlunsplit` would drop the slashes before an empty host, which psql requires."""
    return f"postgresql://{parts.netloc}{parts.path}" + (f"?{parts.query}" if parts.query else "")


def _default_root_certificate(mode: str) -> str | None:
    """Return libpq's default for sslrootcert. Where that file exists, `require` means verify-ca, as in libpq."""
    default = Path.home() / ".postgresql" / "root.crt"
    return str(default) if mode != "require" or default.exists() else None


@cache
def _tls_context(mode: str, root: str | None, parameters: tuple[tuple[str, str], ...]) -> ssl.SSLContext:
    """Build the TLS context for libpq's sslmode: https://www.postgresql.org/docs/current/libpq-ssl.html."""
    options = dict(parameters)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = mode == "verify-full"
    # required by sslnegotiation=direct: https://www.postgresql.org/docs/current/protocol-flow.html
    context.set_alpn_protocols(["postgresql"])
    try:
        _load_trust(context, root, options.get("sslcrl"))
        if "sslcert" in options:
            context.load_cert_chain(
                options["sslcert"], options.get("sslkey"), lambda: options.get("sslpassword", "")
            )
        if "ssl_min_protocol_version" in options:
            context.minimum_version = _parse_tls_version(options["ssl_min_protocol_version"])
        if "ssl_max_protocol_version" in options:
            context.maximum_version = _parse_tls_version(options["ssl_max_protocol_version"])
    except OSError as error:
        raise ConfigError(
            f"the TLS certificates for the database cannot be read: {error}",
            hint="sslrootcert must be the path of the certificate authority's file, or the word system",
        ) from None
    return context


def _load_trust(context: ssl.SSLContext, root: str | None, revoked: str | None) -> None:
    if root is None:
        context.verify_mode = ssl.CERT_NONE
    elif root == "system":
        context.load_default_certs()
    else:
        context.load_verify_locations(cafile=root)
    if revoked is not None:
        context.load_verify_locations(cafile=revoked)
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN


def _parse_tls_version(name: str) -> ssl.TLSVersion:
    try:
        return ssl.TLSVersion[name.replace(".", "_")]
    except KeyError:
        raise ConfigError(
            f"the database URL has an unknown TLS version: {name}", hint="for example TLSv1.3"
        ) from None
