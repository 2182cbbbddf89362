"""Opening a connection: where to, over which TLS, as whom."""

from typing import TYPE_CHECKING, Any

import asyncpg

from ticketctl.postgres.address import Address
from ticketctl.settings import Settings

if TYPE_CHECKING:
    from ticketctl.postgres.credentials import CredentialCache, Credentials


class Connector:
    """Opens connections to one database as the settings say. Raises ConfigError where they contradict its URL."""

    def __init__(self, address: Address, settings: Settings) -> None:
        self._logins: CredentialCache | None = None
        if settings.database_iam or settings.database_secret_arn:
            from ticketctl.postgres.credentials import make_credential_cache

            self._logins = make_credential_cache(address, settings)
        self._options = {
            **address.connect_args,
            "timeout": settings.connect_timeout,
            "server_settings": {"application_name": settings.application_name},
        }

    async def __call__(self, **options: Any) -> "asyncpg.Connection":
        """Open a connection; `options` are asyncpg's.

        A password that the server refuses may have been replaced meanwhile: with a newer one it is tried once more.
        """
        if self._logins is None:
            return await asyncpg.connect(**self._options, **options)
        login = await self._logins.current()
        try:
            return await self._connect(login, options)
        except asyncpg.PostgresError as error:
            newer = await self._logins.current(refused=login) if refuses_login(error) else login
            if newer == login:
                raise
        return await self._connect(newer, options)

    async def _connect(self, login: "Credentials", options: dict[str, Any]) -> "asyncpg.Connection":
        return await asyncpg.connect(**self._options, **options, user=login.user, password=login.password)


def refuses_login(error: BaseException | None) -> bool:
    """Whether the server did not take user and password."""
    if isinstance(error, asyncpg.InvalidAuthorizationSpecificationError):
        return True
    # PgBouncer has no code of its own for it
    if isinstance(error, asyncpg.ProtocolViolationError) and "authentication failed" in str(error):
        return True
    # for sslmode=prefer the driver tries again without TLS, and tells of that
    return isinstance(error, asyncpg.PostgresError) and refuses_login(error.__cause__)
