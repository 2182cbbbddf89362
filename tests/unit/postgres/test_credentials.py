"""Which credentials are used, for how long, and which settings contradict each other."""

import asyncio
from collections.abc import Iterator
from itertools import count
from threading import get_ident

import pytest

from ticketctl import event_loops
from ticketctl.errors import ConfigError
from ticketctl.postgres.address import Address
from ticketctl.postgres.credentials import CredentialCache, Credentials, make_credential_cache
from ticketctl.settings import Settings

SECRET = "hunter2"  # noqa: S105 - the tests look for it where it must not be
ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:name-AbCdEf"
TLS = "postgresql://ada@db.example.com/tickets?sslmode=require"


def numbered() -> Iterator[Credentials]:
    return (Credentials("ada", f"password {n}") for n in count(1))


def test_repr_shows_no_password() -> None:
    assert SECRET not in repr(Credentials("ada", SECRET))


def test_credentials_are_kept_for_their_lifetime_across_loops() -> None:
    now = 1000.0
    made = numbered()
    logins = CredentialCache(lambda: next(made), lifetime=600, clock=lambda: now)
    first = event_loops.run(logins.current())
    now += 599
    assert event_loops.run(logins.current()) is first
    now += 2
    assert event_loops.run(logins.current()) == Credentials("ada", "password 2")


def test_concurrent_callers_share_one_fetch_that_does_not_block_the_loop() -> None:
    fetched_in: list[int] = []
    made = numbered()

    def fetch() -> Credentials:
        fetched_in.append(get_ident())
        return next(made)

    async def ask() -> list[Credentials]:
        logins = CredentialCache(fetch)
        return await asyncio.gather(*(logins.current() for _ in range(10)))

    assert set(event_loops.run(ask())) == {Credentials("ada", "password 1")}
    assert len(fetched_in) == 1
    assert get_ident() not in fetched_in


def test_refused_credentials_are_replaced_once() -> None:
    made = numbered()

    async def ask() -> list[Credentials]:
        logins = CredentialCache(lambda: next(made))
        refused = await logins.current()
        return [await logins.current(refused=refused) for _ in range(3)]

    assert {login.password for login in event_loops.run(ask())} == {"password 2"}


@pytest.mark.parametrize(
    ("url", "chosen"),
    [
        (TLS, {}),
        ("postgresql:///tickets?host=/run/postgresql", {"database_iam": True}),
        ("postgresql://postgres@/tickets?host=/run/postgresql", {"database_secret_arn": ARN}),
    ],
)
def test_the_url_alone_needs_no_cache(url: str, chosen: dict[str, object]) -> None:
    assert make_credential_cache(Address.parse(url), Settings(**chosen)) is None


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
def test_there_is_one_cache_per_process_and_source(mode: str) -> None:
    address = Address.parse(f"postgresql://ada@db.example.com/tickets?sslmode={mode}")
    assert make_credential_cache(address, Settings(database_iam=True)) is make_credential_cache(
        address, Settings(database_iam=True)
    )


@pytest.mark.parametrize(
    ("url", "chosen", "message"),
    [
        (TLS, {"database_iam": True, "database_secret_arn": ARN}, "are both set"),
        (f"postgresql://ada:{SECRET}@host/db?sslmode=require", {"database_iam": True}, "has a password"),
        (f"postgresql://ada:{SECRET}@host/db", {"database_secret_arn": ARN}, "has a password"),
        ("postgresql://ada@host/db", {"database_iam": True}, "needs TLS"),
        ("postgresql://ada@host/db?sslmode=prefer", {"database_iam": True}, "needs TLS"),
        ("postgresql://host/db?sslmode=require", {"database_iam": True}, "one host and a user"),
        ("postgresql://ada@one,two/db?sslmode=require", {"database_iam": True}, "one host and a user"),
    ],
)
def test_contradicting_settings_are_refused(url: str, chosen: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        make_credential_cache(Address.parse(url), Settings(**chosen))
    assert raised.value.hint
    assert SECRET not in f"{raised.value} {raised.value.hint}"


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("db.abc123.eu-central-1.rds.amazonaws.com", "eu-central-1"),
        ("p.proxy-abc123.us-gov-west-1.rds.amazonaws.com", "us-gov-west-1"),
        ("db.abc123.rds.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("db.example.com", "ap-southeast-2"),
    ],
)
def test_the_region_comes_from_the_host_or_the_environment(
    monkeypatch: pytest.MonkeyPatch, host: str, region: str
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "ap-southeast-2")
    address = Address.parse(f"postgresql://ada@{host}/db?sslmode=require")
    logins = make_credential_cache(address, Settings(database_iam=True))
    assert logins is not None
    token = event_loops.run(logins.current()).password
    assert token.startswith(f"{host}:5432/?Action=connect&DBUser=ada&")
    assert f"%2F{region}%2Frds-db%2F" in token


def test_an_unknown_aws_profile_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    address = Address.parse("postgresql://ada@profile.example.com/db?sslmode=require")
    logins = make_credential_cache(address, Settings(database_iam=True))
    assert logins is not None
    with pytest.raises(ConfigError, match=r"TICKETCTL_DATABASE_IAM needs AWS: .*nobody") as raised:
        event_loops.run(logins.current())
    assert "AWS_PROFILE" in str(raised.value.hint)


def test_a_missing_region_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    logins = make_credential_cache(
        Address.parse("postgresql://ada@nowhere/db?sslmode=require"), Settings(database_iam=True)
    )
    assert logins is not None
    with pytest.raises(ConfigError, match="needs a region"):
        event_loops.run(logins.current())
