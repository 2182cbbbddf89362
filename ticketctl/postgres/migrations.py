"""Check the revision of a database's tables, and migrate them with Alembic.

Alembic is imported only to migrate: checking the revision is one query.
"""

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from ticketctl.errors import ConfigError, StaleSchemaError
from ticketctl.postgres.address import Address
from ticketctl.postgres.engine import make_engine
from ticketctl.postgres.revision import REVISION
from ticketctl.settings import Settings

if TYPE_CHECKING:
    from alembic.config import Config


async def get_revision(connection: AsyncConnection) -> str | None:
    """Return the revision of the database's tables, or None where there are no tables."""
    if await connection.scalar(text("select to_regclass('alembic_version')")) is None:
        return None
    revision: str | None = await connection.scalar(text("select version_num from alembic_version"))
    return revision


def require_current(revision: str | None, address: Address) -> None:
    """Raise StaleSchemaError unless the tables have the revision that this program needs."""
    if revision == REVISION:
        return
    if revision is None:
        what, hint = "has no tables yet", "create them: ticketctl db upgrade"
    elif revision < REVISION:
        what, hint = f"has tables of revision {revision}", "bring them up to date: ticketctl db upgrade"
    else:
        what, hint = f"has tables of revision {revision}, which is newer", "install a newer ticketctl"
    raise StaleSchemaError(
        f"the database {address.display_name} {what}; this version needs {REVISION}", hint=hint
    )


async def migrate(address: Address, settings: Settings) -> None:
    """Migrate a database to this program's revision in one transaction; concurrent calls take turns."""
    engine = make_engine(address, settings, autocommit=False)
    async with engine.begin() as connection:
        await connection.run_sync(upgrade)


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Apply the missing migrations up to `revision`, in the transaction of `connection`."""
    from alembic import command

    command.upgrade(_make_config(connection), revision)


def downgrade(connection: Connection, revision: str) -> None:
    """Revert the migrations after `revision` ("base": all), in the transaction of `connection`."""
    from alembic import command

    command.downgrade(_make_config(connection), revision)


def find_scripts() -> Path:
    """Return the folder of the migrations: inside the package in a wheel, at the top of a checkout.

    Raises:
        ConfigError: The installation has neither.
    """
    package = Path(str(files("ticketctl")))
    for folder in (package / "postgres" / "_migrations", package.parent / "alembic"):
        if (folder / "env.py").is_file():
            return folder
    raise ConfigError("this installation has no migrations", hint="install ticketctl again")


def _make_config(connection: Connection) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(find_scripts()))
    config.attributes["connection"] = connection
    return config
