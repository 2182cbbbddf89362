"""SQLAlchemy's dialect for asyncpg, without the questions that it asks a server before the first statement.

They cost an engine's first connection eight round trips: the first invocation of every execution environment. Nothing
here needs their answers: the driver knows the server's version, and the rest is for reflection, for literals written
into SQL, and for connections that change their isolation level and change it back.
"""

from typing import Any

from sqlalchemy import Connection
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg

URL = "postgresql+ticketctl://"
"""What names it to `create_engine`."""


class Dialect(PGDialect_asyncpg):
    """For engines that run one statement at a time, each committed by itself; migrations use SQLAlchemy's own.

    To what has no answer here it raises NotImplementedError, which SQLAlchemy takes for "not known".
    """

    supports_statement_cache = True

    def _get_server_version_info(self, connection: Connection) -> tuple[int, int]:
        driver: Any = connection.connection.driver_connection
        version = driver.get_server_version()
        return version.major, version.minor

    def _get_default_schema_name(self, connection: Connection) -> str:
        raise NotImplementedError

    def get_default_isolation_level(self, dbapi_conn: Any) -> Any:
        """Not known."""
        raise NotImplementedError

    def _set_backslash_escapes(self, connection: Connection) -> None:
        """Parameters are bound, never written into SQL."""


registry.register("postgresql.ticketctl", __name__, Dialect.__name__)
