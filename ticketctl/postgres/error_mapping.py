"""Map errors of the driver, SQLAlchemy and the network to DatabaseErrors with hints for people.

The worker does not use this: it logs the original exception.
"""

import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, NamedTuple

import asyncpg

from ticketctl.errors import DatabaseError, StaleSchemaError
from ticketctl.postgres.address import Address
from ticketctl.postgres.connect import is_login_refused

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from ticketctl.postgres.engine import Connections


class _Rule(NamedTuple):
    """Maps the errors that match to a DatabaseError; `{text}` and `{line}` stand for all of the error's text, or its first line."""

    matches: Callable[[BaseException], bool]
    error: type[DatabaseError]
    message: str
    hint: str


def _is_instance(*types: type[BaseException]) -> Callable[[BaseException], bool]:
    return lambda cause: isinstance(cause, types)


_SERVER_ERROR = _Rule(
    _is_instance(asyncpg.PostgresError, asyncpg.InterfaceError),
    DatabaseError,
    "refused: {text}",
    "read the server's log; --debug shows the traceback",
)
_RULES = (
    _Rule(
        _is_instance(asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError),
        StaleSchemaError,
        "lacks what this version needs: {text}",
        "bring it up to date: ticketctl db upgrade",
    ),
    _Rule(
        _is_instance(ssl.SSLCertVerificationError),
        DatabaseError,
        "cannot be trusted: {text}",
        "sslrootcert must name the authority that signed the server's certificate; sslmode=verify-full needs the host "
        "by the name in it",
    ),
    _Rule(
        lambda cause: isinstance(cause, ConnectionError) and "rejected SSL upgrade" in str(cause),
        DatabaseError,
        "has no TLS, and its URL demands it: {text}",
        "switch TLS on at the server; where the network itself is trusted, sslmode=prefer does without",
    ),
    _Rule(
        _is_instance(
            OSError, UnicodeError
        ),  # OSError includes TimeoutError; UnicodeError means that the host name cannot be encoded
        DatabaseError,
        "cannot be reached: {text}",
        "is the server running, and does TICKETCTL_DATABASE_URL name it?",
    ),
    _Rule(
        _is_instance(asyncpg.DuplicatePreparedStatementError, asyncpg.InvalidSQLStatementNameError),
        DatabaseError,
        "handed a statement to another backend: {line}",  # the following lines are the driver's hint, which is about its own pool
        "a pooler stands in front of it: set TICKETCTL_POOL=pgbouncer",
    ),
    _Rule(is_login_refused, DatabaseError, "refused: {text}", "are the user and the password right?"),
    _SERVER_ERROR,
)
"""The first rule that matches an error maps it."""


@contextmanager
def map_database_errors(address: Address) -> Iterator[None]:
    """Raise the driver's, SQLAlchemy's and the network's errors as DatabaseErrors."""
    try:
        yield
    except Exception as error:
        mapped = to_database_error(error, address)
        if mapped is None:
            raise
        raise mapped from error


class ErrorMappingConnections:
    """Connections that raise each failure as a DatabaseError, for callers that continue after a failure."""

    def __init__(self, connections: "Connections", address: Address) -> None:
        self._connections = connections
        self.address = address
        self.telemetry = connections.telemetry

    @asynccontextmanager
    async def acquire(self, *, unpooled: bool = False) -> "AsyncIterator[AsyncConnection]":
        """Lend a connection as `Connections.acquire` does. Raises DatabaseError."""
        with map_database_errors(self.address):
            async with self._connections.acquire(unpooled=unpooled) as connection:
                yield connection

    def share_connection(self) -> AbstractAsyncContextManager[None]:
        """Keep a connection as `Connections.share_connection` does. Raises nothing."""
        return self._connections.share_connection()


def to_database_error(error: Exception, address: Address) -> DatabaseError | None:
    """Return the DatabaseError for an error, or None where the error does not come from the database."""
    wrapped = getattr(
        error, "orig", None
    )  # set on SQLAlchemy's DBAPIError; importing the class to check for it would cost start-up time
    cause = error if wrapped is None else wrapped.__cause__ or wrapped
    rule = next((rule for rule in _RULES if rule.matches(cause)), None)
    if rule is None and type(error).__module__.startswith("sqlalchemy."):
        rule = _SERVER_ERROR
    if rule is None:
        return None
    text = " ".join(str(cause).split()) or type(cause).__name__
    message = rule.message.format(text=text, line=str(cause).partition("\n")[0])
    return rule.error(f"the database {address.display_name} {message}", hint=rule.hint)
