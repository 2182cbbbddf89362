"""What a failure of the database means to a person. The worker does not use this: it logs what happened."""

import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, NamedTuple

import asyncpg

from ticketctl.errors import DatabaseError, StaleSchemaError
from ticketctl.postgres.address import Address
from ticketctl.postgres.connect import refuses_login

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from ticketctl.postgres.engine import Connections


class _Kind(NamedTuple):
    """A kind of failure, and how it is told after the database's name: with its text, or the first line of it."""

    meets: Callable[[BaseException], bool]
    error: type[DatabaseError]
    told: str
    hint: str


def _is(*types: type[BaseException]) -> Callable[[BaseException], bool]:
    return lambda cause: isinstance(cause, types)


_REFUSED = _Kind(
    _is(asyncpg.PostgresError, asyncpg.InterfaceError),
    DatabaseError,
    "refused: {text}",
    "the server's log tells more; --debug shows the traceback",
)
_KINDS = (
    _Kind(
        _is(asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError),
        StaleSchemaError,
        "lacks what this version needs: {text}",
        "bring it up to date: ticketctl db upgrade",
    ),
    _Kind(
        _is(ssl.SSLCertVerificationError),
        DatabaseError,
        "cannot be trusted: {text}",
        "sslrootcert must name the authority that signed the server's certificate; sslmode=verify-full needs the host "
        "by the name in it",
    ),
    _Kind(
        lambda cause: isinstance(cause, ConnectionError) and "rejected SSL upgrade" in str(cause),
        DatabaseError,
        "has no TLS, and its URL demands it: {text}",
        "switch TLS on at the server; where the network itself is trusted, sslmode=prefer does without",
    ),
    _Kind(
        _is(OSError, UnicodeError),  # a TimeoutError too, and a name that no host can have
        DatabaseError,
        "cannot be reached: {text}",
        "is the server running, and does TICKETCTL_DATABASE_URL name it?",
    ),
    _Kind(
        _is(asyncpg.DuplicatePreparedStatementError, asyncpg.InvalidSQLStatementNameError),
        DatabaseError,
        "handed a statement to another backend: {line}",  # the driver's own hint speaks for its pool
        "a pooler stands in front of it: set TICKETCTL_POOL=pgbouncer",
    ),
    _Kind(refuses_login, DatabaseError, "refused: {text}", "are the user and the password right?"),
    _REFUSED,
)
"""The first that meets a failure tells it."""


@contextmanager
def map_database_errors(address: Address) -> Iterator[None]:
    """Turn whatever the driver, SQLAlchemy or the network raises into a DatabaseError."""
    try:
        yield
    except Exception as error:
        mapped = to_database_error(error, address)
        if mapped is None:
            raise
        raise mapped from error


class ErrorMappingConnections:
    """Connections of which each call fails as a DatabaseError: for who goes on after a failure."""

    def __init__(self, connections: "Connections", address: Address) -> None:
        self._connections = connections
        self.address = address

    @asynccontextmanager
    async def acquire(self, *, unpooled: bool = False) -> "AsyncIterator[AsyncConnection]":
        """A connection for one statement, as `Connections.acquire` lends it. Raises DatabaseError."""
        with map_database_errors(self.address):
            async with self._connections.acquire(unpooled=unpooled) as connection:
                yield connection

    def share_connection(self) -> AbstractAsyncContextManager[None]:
        """As `Connections.share_connection`; nothing fails by it."""
        return self._connections.share_connection()


def to_database_error(error: Exception, address: Address) -> DatabaseError | None:
    """The DatabaseError for a failure, None where it is none of the database's."""
    wrapped = getattr(error, "orig", None)  # SQLAlchemy's DBAPIError, which need not be imported to be known
    cause = error if wrapped is None else wrapped.__cause__ or wrapped
    kind = next((kind for kind in _KINDS if kind.meets(cause)), None)
    if kind is None and type(error).__module__.startswith("sqlalchemy."):
        kind = _REFUSED
    if kind is None:
        return None
    text = " ".join(str(cause).split()) or type(cause).__name__
    told = kind.told.format(text=text, line=str(cause).partition("\n")[0])
    return kind.error(f"the database {address.display_name} {told}", hint=kind.hint)
