"""Who logs in, and with what: as the URL says, with a token of IAM's, or with a secret of Secrets Manager's.

Both are for a database across the network; over a Unix socket the URL alone counts, as for the embedded server.
"""

import asyncio
import json
import logging
import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from threading import Lock
from typing import Any

from ticketctl import aws
from ticketctl.errors import ConfigError, DatabaseError
from ticketctl.postgres.address import Address
from ticketctl.settings import PREFIX, Settings

IAM = PREFIX + "DATABASE_IAM"
SECRET = PREFIX + "DATABASE_SECRET_ARN"
TOKEN_LIFETIME = 600.0
"""Seconds that a token is used for. It is good for 900:
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.html."""
_REGION = re.compile(r"\.(?:rds\.)?([a-z]{2,3}(?:-[a-z]+)+-\d+)\.")
"""The region in a host's name: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Concepts.RegionsAndAvailabilityZones.html."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A password, and whose it is; `user` None is the URL's."""

    user: str | None
    password: str = field(repr=False)


class CredentialCache:
    """A login that is fetched once, kept for `lifetime` seconds, and fetched again when the server refused it.

    `fetch` asks the network: it runs in a thread, one at a time. The lock is a thread's, because a login outlives
    the event loops that ask for it. Raises what `fetch` raises.
    """

    def __init__(
        self,
        fetch: Callable[[], Credentials],
        *,
        lifetime: float = math.inf,
        # a frozen environment's monotonic clock may stand still, and a token ages meanwhile
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._fetch = fetch
        self._lifetime = lifetime
        self._clock = clock
        self._lock = Lock()
        self._kept: Credentials | None = None
        self._until = 0.0

    async def current(self, *, refused: Credentials | None = None) -> Credentials:
        """The login to use; `refused` is the one that the server did not take."""
        kept = self._good(refused)
        return kept if kept is not None else await asyncio.to_thread(self._renewed, refused)

    def _good(self, refused: Credentials | None) -> Credentials | None:
        return self._kept if self._kept is not refused and self._clock() < self._until else None

    def _renewed(self, refused: Credentials | None) -> Credentials:
        with self._lock:
            if (login := self._good(refused)) is None:
                login = self._fetch()
                self._kept, self._until = login, self._clock() + self._lifetime
            return login


def make_credential_cache(address: Address, settings: Settings) -> CredentialCache | None:
    """The logins that the settings ask for, the same for the life of the process; None: the URL says all.

    Raises:
        ConfigError: The settings contradict each other or the URL.
    """
    if not address.endpoints or not (settings.database_iam or settings.database_secret_arn):
        return None
    if settings.database_iam and settings.database_secret_arn:
        raise ConfigError(f"{IAM} and {SECRET} are both set", hint="a password has one source: unset one")
    if address.password:
        name = IAM if settings.database_iam else SECRET
        raise ConfigError(
            f"{name} is set, and the database URL has a password", hint="take the password out of the URL"
        )
    if settings.database_secret_arn:
        return _from_secret(settings.database_secret_arn, settings.connect_timeout)
    return _from_iam(address)


@cache
def _from_secret(arn: str, timeout: float) -> CredentialCache:
    return CredentialCache(partial(_secret, arn, timeout))


@cache
def _from_iam(address: Address) -> CredentialCache:
    if not address.requires_tls:
        raise ConfigError(
            f"{IAM} needs TLS, and the database URL may do without",
            hint="add ?sslmode=verify-full&sslrootcert=FILE with the authorities of RDS",
        )
    if len(address.endpoints) > 1 or address.user is None:
        raise ConfigError(
            f"{IAM} needs one host and a user in the database URL",
            hint="it looks like postgresql://user@host:5432/database?sslmode=verify-full",
        )
    return CredentialCache(partial(_token, *address.endpoints[0], address.user), lifetime=TOKEN_LIFETIME)


def _token(host: str, port: int, user: str) -> Credentials:
    """Sign a token, which asks nobody; finding the credentials to sign it with may."""
    session = aws.session(IAM)
    named = _REGION.search(host)
    region = named[1] if named else session.region_name
    if region is None:
        raise ConfigError(f"{IAM} needs a region, and the host names none", hint="set AWS_DEFAULT_REGION")
    token = _asked(
        "IAM gave no token for the database",
        lambda: session.client("rds", region_name=region).generate_db_auth_token(
            DBHostname=host, Port=port, DBUsername=user
        ),
    )
    return Credentials(user, token)


def _secret(arn: str, timeout: float) -> Credentials:
    """Ask for the current version of a secret, which is a password or the JSON that RDS writes.

    Its form: https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_secret_json_structure.html.
    """
    session = aws.session(SECRET)

    def ask() -> Any:
        from botocore.config import Config

        client = session.client(
            "secretsmanager",
            region_name=arn.split(":")[3],
            config=Config(
                connect_timeout=timeout, read_timeout=timeout, retries={"mode": "standard", "max_attempts": 2}
            ),
        )
        return client.get_secret_value(SecretId=arn)

    return _read(_asked("Secrets Manager gave no password for the database", ask).get("SecretString"))


def _read(secret: str | None) -> Credentials:
    try:
        content = json.loads(secret or "")
    except ValueError:
        content = secret
    if isinstance(content, dict):
        user, password = content.get("username"), content.get("password")
    else:
        user, password = None, secret
    if not (isinstance(password, str) and password and isinstance(user, str | None)):
        raise ConfigError(
            "the secret holds no password for the database",
            hint='it is a password, or JSON with "username" and "password" as RDS writes it',
        )
    return Credentials(user, password)


def _asked(failure: str, ask: Callable[[], Any]) -> Any:
    """Ask AWS. Raises DatabaseError, which begins with `failure`."""
    from botocore.exceptions import BotoCoreError, ClientError

    # at DEBUG it writes down what it was answered, and what it signs
    logging.getLogger("botocore").setLevel(logging.INFO)
    try:
        return ask()
    except (BotoCoreError, ClientError) as error:
        raise DatabaseError(
            f"{failure}: {error}", hint="are there credentials of AWS here, and do they allow it?"
        ) from error
