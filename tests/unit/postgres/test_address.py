import shutil
import ssl
from pathlib import Path

import pytest

from tests import certificates
from ticketctl.errors import ConfigError
from ticketctl.postgres.address import Address

SECRET = "hunter2"  # noqa: S105 - the tests look for it where it must not be
FORMS = [
    "postgresql://host/db",
    "postgres://host/db",
    "postgresql+asyncpg://host/db",
    "postgresql://",
    "postgresql:///db",
    "postgresql://ada:pw@host:6543/db",
    "postgresql://ada@[::1]:5432/db",
    "postgresql://postgres@/db?host=/var/run/postgresql",
    "postgresql://%2Fvar%2Frun/db",
    "postgresql://ada:p%40ss%2Fw%23rd@host/db",
    "postgresql://host/db?sslmode=require&application_name=x",
    "postgresql://one:5432,two:5433/db?target_session_attrs=read-write",
    "postgresql://host/db?sslrootcert=",
]
"""Forms that libpq accepts: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS."""
UNREADABLE = [
    f"postgresql://ada:{SECRET}/x@host/db",
    f"postgresql://ada:1/{SECRET}@host/db",
    f"postgresql://ada:1?{SECRET}@host/db",
    f"postgresql://ada:1#{SECRET}@host/db",
    f"postgresql://ada:x#{SECRET}@host/db",
    f"postgresql://ada:{SECRET}\u2100@host/db",
    f"postgresql://ada:{SECRET}@[::1/db",
    f"postgresql://ada:{SECRET}@host:port/db",
    f"postgresql://ada:{SECRET}@host:99999/db",
    f"postgresql://ada:a@{SECRET}@host/db",
    f"postgresql://ada:{SECRET}@host/db?port=x",
]
"""Passwords with characters that must be escaped, and impossible addresses."""


@pytest.mark.parametrize("url", FORMS)
def test_every_form_of_libpq_is_accepted(url: str) -> None:
    assert Address.parse(url).dsn.startswith("postgresql://")


@pytest.mark.parametrize(
    "url", ["mysql://ada@host/db", "http://host", "sqlite:///x", "host/db", "", "/var/run", "pg://x"]
)
def test_another_scheme_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="must start with postgresql://") as raised:
        Address.parse(url)
    assert "postgresql://user:password@host:5432/database" in str(raised.value.hint)


@pytest.mark.parametrize("url", [*UNREADABLE, f"mysql://ada:{SECRET}@host/db", f"ada:{SECRET}@host/db"])
def test_no_error_shows_a_password(url: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Address.parse(url)
    message = f"{raised.value} {raised.value.hint} {raised.value.__cause__}"
    assert SECRET not in message
    assert raised.value.hint


@pytest.mark.parametrize(
    ("url", "shown", "without"),
    [
        (f"postgresql://ada:{SECRET}@host:6543/db", "host:6543/db", "postgresql://ada@host:6543/db"),
        (f"postgres://ada:{SECRET}@host/db", "host/db", "postgresql://ada@host/db"),
        (f"postgresql://:{SECRET}@host/db", "host/db", "postgresql://@host/db"),
        (f"postgresql://host/db?password={SECRET}&user=ada", "host/db", "postgresql://host/db?user=ada"),
        (f"postgresql://host/db?sslpassword={SECRET}", "host/db", "postgresql://host/db"),
        ("postgresql://postgres@/db?host=/tmp/x", "/tmp/x/db", "postgresql://postgres@/db?host=/tmp/x"),  # noqa: S108 - a folder in a URL
        ("postgresql:///db", "localhost/db", "postgresql:///db"),
        (f"postgresql://ada:{SECRET}@one:1,two/d%20b", "one:1,two/d b", "postgresql://ada@one:1,two/d%20b"),
    ],
)
def test_the_display_name_has_no_password(url: str, shown: str, without: str) -> None:
    address = Address.parse(url)
    assert address.display_name == shown
    assert address.without_password == without


@pytest.mark.parametrize(
    ("url", "password"),
    [
        ("postgresql://ada:p%40ss@host/db", "p@ss"),
        ("postgresql://host/db?password=p%40ss", "p@ss"),
        ("postgresql://ada@host/db", None),
    ],
)
def test_the_password_is_decoded(url: str, password: str | None) -> None:
    assert Address.parse(url).password == password


@pytest.mark.parametrize(
    ("url", "endpoints", "user"),
    [
        ("postgresql://ada@host/db", [("host", 5432)], "ada"),
        ("postgresql://a%40b:pw@one:5433,two/db", [("one", 5433), ("two", 5432)], "a@b"),
        ("postgresql://[::1]:6543/db?user=ada", [("::1", 6543)], "ada"),
        ("postgresql:///db?host=one&port=6432", [("one", 6432)], None),
        ("postgresql://ada@/db?host=/run/postgresql", [], "ada"),
        ("postgresql://%2Frun%2Fpostgresql/db", [], None),
        ("postgresql:///db", [], None),
    ],
)
def test_endpoints_and_user(url: str, endpoints: list[tuple[str, int]], user: str | None) -> None:
    address = Address.parse(url)
    assert address.endpoints == endpoints
    assert address.user == user


def test_another_database_of_the_same_server() -> None:
    address = Address.parse("postgresql://ada:pw@host/db?host=/run").with_database("other")
    assert address.dsn == "postgresql://ada:pw@host/other?host=/run"


def test_an_unknown_sslmode_is_refused_with_the_choices() -> None:
    with pytest.raises(ConfigError, match="sslmode cannot be maybe") as raised:
        Address.parse("postgresql://host/db?sslmode=maybe")
    assert "verify-full" in str(raised.value.hint)


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer"])
def test_optional_tls_is_left_to_the_driver(mode: str) -> None:
    url = f"postgresql://host/db?sslmode={mode}"
    assert Address.parse(url).connect_args == {"dsn": url}


@pytest.mark.parametrize(
    ("query", "checks_host", "verifies"),
    [
        ("sslmode=require", False, ssl.CERT_NONE),
        ("sslmode=verify-ca&sslrootcert=system", False, ssl.CERT_REQUIRED),
        ("sslmode=verify-full&sslrootcert=system", True, ssl.CERT_REQUIRED),
    ],
)
def test_required_tls_shares_one_context(query: str, *, checks_host: bool, verifies: ssl.VerifyMode) -> None:
    url = f"postgresql://host/db?{query}"
    context = Address.parse(url).connect_args["ssl"]
    assert (context.check_hostname, context.verify_mode) == (checks_host, verifies)
    assert Address.parse(url).connect_args["ssl"] is context


def test_require_uses_a_root_certificate_in_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".postgresql").mkdir()
    authority = certificates.make(tmp_path).authority
    shutil.copy(authority, tmp_path / ".postgresql" / "root.crt")
    context = Address.parse("postgresql://host/db?sslmode=require").connect_args["ssl"]
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.cert_store_stats()["x509_ca"] == 1


def test_tls_versions_are_limited() -> None:
    query = "sslmode=require&ssl_min_protocol_version=TLSv1.3&ssl_max_protocol_version=TLSv1.3"
    context = Address.parse(f"postgresql://host/db?{query}").connect_args["ssl"]
    assert (context.minimum_version, context.maximum_version) == (ssl.TLSVersion.TLSv1_3,) * 2


@pytest.mark.parametrize(
    "parameter", ["sslcrl=/nowhere", "sslcert=/nowhere", "ssl_min_protocol_version=TLSv9"]
)
def test_an_unusable_tls_parameter_is_an_error(parameter: str) -> None:
    address = Address.parse(f"postgresql://host/db?sslmode=require&{parameter}")
    with pytest.raises(ConfigError, match="TLS"):
        _ = address.connect_args


def test_a_missing_certificate_is_a_config_error(tmp_path: Path) -> None:
    address = Address.parse(f"postgresql://host/db?sslmode=verify-full&sslrootcert={tmp_path}/none.pem")
    with pytest.raises(ConfigError, match="certificates") as raised:
        _ = address.connect_args
    assert "sslrootcert" in str(raised.value.hint)
