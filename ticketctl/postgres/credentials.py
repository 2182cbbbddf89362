"""Database credentials: from the URL, an IAM token, or a secret in AWS Secrets Manager.

Tokens and secrets are for servers across the network; over a Unix socket (the embedded server) only the URL counts.
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
"""Seconds for which a token is reused. It expires after 900:
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.html."""
_REGION = re.compile(r"\.(?:rds\.)?([a-z]{2,3}(?:-[a-z]+)+-\d+)\.")
"""Matches the AWS region in a host name: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Concepts.RegionsAndAvailabilityZones.html."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user and a password; `user` None means the user in the URL."""

    user: str | None
    password: str = field(repr=False)


class CredentialCache:
    """Fetches credentials, keeps them for `lifetime` seconds, and fetches again when the server refused them.

    `fetch` uses the network, so it runs in a thread; concurrent callers share one fetch. The lock is a threading lock,
    not an asyncio one, because the cache outlives the event loops that use it. Raises what `fetch` raises.
    """

    def __init__(
        self,
        fetch: Callable[[], Credentials],
        *,
        lifetime: float = math.inf,
        # wall-clock time: the monotonic clock may stand still while the environment is frozen, but a token still ages
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._fetch = fetch
        self._lifetime = lifetime
        self._clock = clock
        self._lock = Lock()
        self._cached: Credentials | None = None
        self._expires_at = 0.0

    async def current(self, *, refused: Credentials | None = None) -> Credentials:
        """Return the credentials to use; `refused` are those that the server did not accept."""
        cached = self._get_valid(refused)
        return cached if cached is not None else await asyncio.to_thread(self._renew, refused)

    def _get_valid(self, refused: Credentials | None) -> Credentials | None:
        return self._cached if self._cached is not refused and self._clock() < self._expires_at else None

    def _renew(self, refused: Credentials | None) -> Credentials:
        with self._lock:
            if (credentials := self._get_valid(refused)) is None:
                credentials = self._fetch()
                self._cached, self._expires_at = credentials, self._clock() + self._lifetime
            return credentials


def make_credential_cache(address: Address, settings: Settings) -> CredentialCache | None:
    """Return the cache that the settings ask for, one per process and source; None: the URL has the credentials.

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
        return _cache_secret(settings.database_secret_arn, settings.connect_timeout)
    return _cache_iam_token(address)


@cache
def _cache_secret(arn: str, timeout: float) -> CredentialCache:
    return CredentialCache(partial(_fetch_secret, arn, timeout))


@cache
def _cache_iam_token(address: Address) -> CredentialCache:
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
    return CredentialCache(partial(_sign_token, *address.endpoints[0], address.user), lifetime=TOKEN_LIFETIME)


def _sign_token(host: str, port: int, user: str) -> Credentials:
    """Sign an IAM token. Signing needs no network, but finding the AWS credentials to sign with may."""
    session = aws.session(IAM)
    match = _REGION.search(host)
    region = match[1] if match else session.region_name
    if region is None:
        raise ConfigError(f"{IAM} needs a region, and the host names none", hint="set AWS_DEFAULT_REGION")
    token = _call_aws(
        "IAM gave no token for the database",
        lambda: session.client("rds", region_name=region).generate_db_auth_token(
            DBHostname=host, Port=port, DBUsername=user
        ),
    )
    return Credentials(user, token)


def _fetch_secret(arn: str, timeout: float) -> Credentials:
    """Fetch the current version of a secret, which is a password or the JSON that RDS writes.

    The JSON form: https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_secret_json_structure.html.
    """
    text = _call_aws(
        "Secrets Manager gave no password for the database",
        partial(aws.fetch_secret, arn, needed_by=SECRET, timeout=timeout),
    )
    return _parse_secret(text)


def _parse_secret(secret: str | None) -> Credentials:
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


def _call_aws(failure: str, call: Callable[[], Any]) -> Any:
    """Call AWS. Raises DatabaseError, whose text begins with `failure`."""
    from botocore.exceptions import BotoCoreError, ClientError

    # at DEBUG, botocore logs the responses and what it signs, which are secrets
    logging.getLogger("botocore").setLevel(logging.INFO)
    try:
        return call()
    except (BotoCoreError, ClientError) as error:
        raise DatabaseError(
            f"{failure}: {error}", hint="are AWS credentials configured, and do they allow it?"
        ) from error
