"""SQLAlchemy's asyncpg dialect without the queries that it runs on an engine's first connection.

Those queries cost eight round trips, in the first invocation of every execution environment. ticketctl needs none of
the results: the driver already knows the server's version, and the others serve reflection, literals rendered into SQL,
and connections that change their isolation level and reset it.
"""

from typing import Any

from sqlalchemy import Connection
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg

URL = "postgresql+ticketctl://"
"""The URL scheme that selects this dialect in `create_engine`."""


class Dialect(PGDialect_asyncpg):
    """For engines that autocommit each statement; migrations use SQLAlchemy's own dialect.

    SQLAlchemy's initialisation catches NotImplementedError from these hooks and leaves the value unset.
    """

    supports_statement_cache = True

    def _get_server_version_info(self, connection: Connection) -> tuple[int, int]:
        driver: Any = connection.connection.driver_connection
        version = driver.get_server_version()
        return version.major, version.minor

    def _get_default_schema_name(self, connection: Connection) -> str:
        raise NotImplementedError

    def get_default_isolation_level(self, dbapi_conn: Any) -> Any:
        """Leave the default isolation level unset."""
        raise NotImplementedError

    def _set_backslash_escapes(self, connection: Connection) -> None:
        """Skip the query for standard_conforming_strings: parameters are bound, never rendered into SQL."""


registry.register("postgresql.ticketctl", __name__, Dialect.__name__)
