"""What a failure of the database means to a person. The worker does not use this: it logs what happened."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import asyncpg

from ticketctl.db.address import Address
from ticketctl.errors import DatabaseError, StaleSchemaError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from ticketctl.db.engine import Connections

_STALE = (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError)
_REFUSED = (asyncpg.PostgresError, asyncpg.InterfaceError)


@contextmanager
def told_as_database_errors(address: Address) -> Iterator[None]:
    """Turn whatever the driver, SQLAlchemy or the network raises into a DatabaseError."""
    try:
        yield
    except Exception as error:
        mapped = as_database_error(error, address)
        if mapped is None:
            raise
        raise mapped from error


class Telling:
    """Connections of which each call fails as a DatabaseError: for who goes on after a failure."""

    def __init__(self, connections: "Connections", address: Address) -> None:
        self._connections = connections
        self.address = address

    @asynccontextmanager
    async def one(self, *, apart: bool = False) -> "AsyncIterator[AsyncConnection]":
        """A connection for one statement, as `Connections.one` lends it. Raises DatabaseError."""
        with told_as_database_errors(self.address):
            async with self._connections.one(apart=apart) as connection:
                yield connection


def as_database_error(error: Exception, address: Address) -> DatabaseError | None:
    """The DatabaseError for a failure, None where it is none of the database's."""
    wrapped = getattr(error, "orig", None)  # SQLAlchemy's DBAPIError, which need not be imported to be known
    cause = error if wrapped is None else wrapped.__cause__ or wrapped
    text = " ".join(str(cause).split()) or type(cause).__name__
    if isinstance(cause, _STALE):
        return StaleSchemaError(
            f"the database {address.shown} lacks what this version needs: {text}",
            hint="bring it up to date: ticketctl db upgrade",
        )
    if isinstance(cause, OSError | UnicodeError):  # a TimeoutError too, and a name that no host can have
        return DatabaseError(
            f"the database {address.shown} cannot be reached: {text}",
            hint="is the server running, and does TICKETCTL_DATABASE_URL name it?",
        )
    if isinstance(cause, _REFUSED) or type(error).__module__.startswith("sqlalchemy."):
        return DatabaseError(
            f"the database {address.shown} refused: {text}",
            hint="the server's log tells more; --debug shows the traceback",
        )
    return None
