"""IAM tokens and Secrets Manager passwords, against a real Postgres with SCRAM and TLS."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import boto3
import pytest
from sqlalchemy import text

from tests.secured_server import Secured
from ticketctl import event_loops
from ticketctl.errors import ConfigError, DatabaseError
from ticketctl.postgres.address import Address
from ticketctl.postgres.credentials import make_credential_cache
from ticketctl.postgres.engine import Connections, Engines
from ticketctl.postgres.pools import get_pool
from ticketctl.postgres.revision import REVISION
from ticketctl.runtime import Database, get_revision
from ticketctl.settings import Settings

REGION = "eu-central-1"
FIRST, SECOND = "first/word", "second@word"

pytestmark = pytest.mark.usefixtures("aws_credentials")
Store = Callable[[str], str]


@pytest.fixture
def secrets(aws: str, monkeypatch: pytest.MonkeyPatch):
    """A client of the Secrets Manager that the program uses too."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", aws)
    return boto3.client("secretsmanager", region_name=REGION, endpoint_url=aws)


@pytest.fixture
def store(secrets) -> Store:
    """Store a secret and return its ARN."""
    return lambda secret: secrets.create_secret(Name=uuid4().hex, SecretString=secret)["ARN"]


@pytest.fixture
def role(secured: Secured):
    """A role whose password is the first one."""
    name = f"role_{uuid4().hex[:8]}"
    secured.sql(f"create role {name} superuser login password '{FIRST}'")
    yield name
    secured.sql(f"drop role {name}")


def rds_form(role: str, password: str) -> str:
    """The part of RDS's secret that the login uses."""
    return json.dumps({"username": role, "password": password, "engine": "postgres", "port": 5432})


def settings(secured: Secured, arn: str, *, user: str = "nobody", **chosen: object) -> Settings:
    return Settings(database_url=secured.url(secured.verified, user=user), database_secret_arn=arn, **chosen)


@asynccontextmanager
async def environment(settings: Settings) -> AsyncIterator[Connections]:
    engines = Engines(Address.parse(settings.database_url or ""), get_pool(settings.pool), settings)
    async with engines.open_connections() as connections:
        yield connections


async def current_user(connections: Connections, *, unpooled: bool = False) -> str:
    async with connections.acquire(unpooled=unpooled) as connection:
        return await connection.scalar(text("select current_user"))


def program(folder: Path, url: str, arn: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the program in a folder without a settings file."""
    chosen = {"TICKETCTL_DATABASE_URL": url, "TICKETCTL_DATABASE_SECRET_ARN": arn}
    return subprocess.run(
        [sys.executable, "-m", "ticketctl", *arguments],
        env=os.environ | chosen,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


class TestSecrets:
    async def test_an_rds_secret_contains_user_and_password(
        self, secured: Secured, store: Store, role: str
    ) -> None:
        async with environment(settings(secured, store(rds_form(role, FIRST)))) as connections:
            assert await current_user(connections) == role
            assert await current_user(connections, unpooled=True) == role

    async def test_a_plain_text_secret_is_the_password_of_the_urls_user(
        self, secured: Secured, store: Store, role: str
    ) -> None:
        async with environment(settings(secured, store(FIRST), user=role)) as connections:
            assert await current_user(connections) == role

    async def test_the_secret_is_fetched_once(
        self, secured: Secured, secrets, store: Store, role: str
    ) -> None:
        arn = store(rds_form(role, FIRST))
        async with environment(settings(secured, arn)) as connections:
            await current_user(connections)
            secrets.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)
            assert await current_user(connections) == role

    @pytest.mark.parametrize("query", ["sslmode=prefer", None], ids=["prefer", "verify-full"])
    async def test_the_next_connection_after_a_rotation_works(
        self, secured: Secured, secrets, store: Store, role: str, query: str | None
    ) -> None:
        arn = store(rds_form(role, FIRST))
        url = secured.url(query or secured.verified, user="nobody")
        async with environment(Settings(database_url=url, database_secret_arn=arn)) as connections:
            await current_user(connections)
            secured.sql(f"alter role {role} password '{SECOND}'")
            secrets.put_secret_value(SecretId=arn, SecretString=rds_form(role, SECOND))
            assert await current_user(connections) == role

    def test_a_refused_password_is_never_shown(
        self, secured: Secured, store: Store, role: str, tmp_path: Path
    ) -> None:
        chosen = settings(secured, store(rds_form(role, SECOND)))
        completed = program(tmp_path, chosen.database_url, chosen.database_secret_arn, "--debug", "list")
        assert completed.returncode == 5
        assert "refused: password authentication failed" in completed.stderr
        assert "hint: are the user and the password right?" in completed.stderr
        assert "Traceback" in completed.stderr
        assert SECOND not in completed.stderr + completed.stdout

    def test_psql_uses_the_secret(self, secured: Secured, store: Store, role: str, tmp_path: Path) -> None:
        url = f"postgresql://localhost:{secured.port}/postgres?{secured.verified}"
        arn = store(rds_form(role, FIRST))
        completed = program(tmp_path, url, arn, "db", "shell", "-Atc", "select current_user")
        assert (completed.stdout, completed.stderr) == (f"{role}\n", "")

    def test_an_unknown_secret_is_a_database_error(self, secured: Secured, secrets) -> None:  # noqa: ARG002 - where to ask
        arn = f"arn:aws:secretsmanager:{REGION}:123456789012:secret:none-AbCdEf"
        with pytest.raises(DatabaseError, match=r"Secrets Manager gave no password .*ResourceNotFound"):
            event_loops.run(get_revision(Database(settings(secured, arn), embedded=False)))

    @pytest.mark.parametrize("secret", ['{"username": "ada"}', '{"password": 5}', '{"password": ""}'])
    def test_a_secret_without_password_is_a_config_error(
        self, secured: Secured, store: Store, secret: str
    ) -> None:
        with pytest.raises(ConfigError, match="the secret holds no password"):
            event_loops.run(get_revision(Database(settings(secured, store(secret)), embedded=False)))


class TestIam:
    def test_the_iam_token_is_the_password(self, secured: Secured, role: str, monkeypatch) -> None:
        monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
        chosen = Settings(database_url=secured.url(secured.verified, user=role), database_iam=True)
        logins = make_credential_cache(Address.parse(chosen.database_url), chosen)
        token = event_loops.run(logins.current()).password
        assert token.startswith(f"localhost:{secured.port}/?Action=connect&DBUser={role}&")
        assert f"%2F{REGION}%2Frds-db%2F" in token
        secured.sql(f"alter role {role} password '{token}'")
        assert event_loops.run(get_revision(Database(chosen, embedded=False))) == REVISION

    def test_missing_aws_credentials_are_reported(self, secured: Secured, monkeypatch) -> None:
        monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        chosen = Settings(database_url=secured.url(secured.verified, user="unsigned"), database_iam=True)
        with pytest.raises(
            DatabaseError, match=r"IAM gave no token for the database: .*credentials"
        ) as raised:
            event_loops.run(get_revision(Database(chosen, embedded=False)))
        assert "AWS credentials" in str(raised.value.hint)
