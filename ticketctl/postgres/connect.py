"""Open asyncpg connections with the configured address, TLS and credentials."""

from typing import TYPE_CHECKING, Any

import asyncpg

from ticketctl.postgres.address import Address
from ticketctl.settings import Settings

if TYPE_CHECKING:
    from ticketctl.postgres.credentials import CredentialCache, Credentials


class Connector:
    """Opens connections to one database. Raises ConfigError where the settings contradict the database URL."""

    def __init__(self, address: Address, settings: Settings) -> None:
        self._credentials: CredentialCache | None = None
        if settings.database_iam or settings.database_secret_arn:
            from ticketctl.postgres.credentials import make_credential_cache

            self._credentials = make_credential_cache(address, settings)
        self._options = {
            **address.connect_args,
            "timeout": settings.connect_timeout,
            "server_settings": {"application_name": settings.application_name},
        }

    async def __call__(self, **options: Any) -> "asyncpg.Connection":
        """Open a connection; `options` are asyncpg's.

        If the server refuses a password, it may have been rotated: fetch the credentials again and try once more.
        """
        if self._credentials is None:
            return await asyncpg.connect(**self._options, **options)
        used = await self._credentials.current()
        try:
            return await self._connect(used, options)
        except asyncpg.PostgresError as error:
            newer = await self._credentials.current(refused=used) if is_login_refused(error) else used
            if newer == used:
                raise
        return await self._connect(newer, options)

    async def _connect(self, credentials: "Credentials", options: dict[str, Any]) -> "asyncpg.Connection":
        return await asyncpg.connect(
            **self._options, **options, user=credentials.user, password=credentials.password
        )


def is_login_refused(error: BaseException | None) -> bool:
    """Return whether the server refused the user or the password."""
    if isinstance(error, asyncpg.InvalidAuthorizationSpecificationError):
        return True
    # PgBouncer reports it as a protocol violation
    if isinstance(error, asyncpg.ProtocolViolationError) and "authentication failed" in str(error):
        return True
    # with sslmode=prefer the driver retries without TLS and chains the first error
    return isinstance(error, asyncpg.PostgresError) and is_login_refused(error.__cause__)
