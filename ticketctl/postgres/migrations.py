"""Whether a database's tables are up to date, and bringing them there with Alembic.

Alembic is imported only where migrations run: asking costs one statement.
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
    """The revision of the database's tables, None where there are none."""
    if await connection.scalar(text("select to_regclass('alembic_version')")) is None:
        return None
    revision: str | None = await connection.scalar(text("select version_num from alembic_version"))
    return revision


def require_current(revision: str | None, address: Address) -> None:
    """Refuse tables of another version than this program's. Raises StaleSchemaError."""
    if revision == REVISION:
        return
    if revision is None:
        what, hint = "has no tables yet", "make them: ticketctl db upgrade"
    elif revision < REVISION:
        what, hint = f"has tables of revision {revision}", "bring them up to date: ticketctl db upgrade"
    else:
        what, hint = f"has tables of revision {revision}, which is newer", "install a newer ticketctl"
    raise StaleSchemaError(
        f"the database {address.display_name} {what}; this version needs {REVISION}", hint=hint
    )


async def migrate(address: Address, settings: Settings) -> None:
    """Bring a database up to date, in one transaction; two at once take turns."""
    engine = make_engine(address, settings, autocommit=False)
    async with engine.begin() as connection:
        await connection.run_sync(upgrade)


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Run what is missing up to `revision`, in the transaction of `connection`."""
    from alembic import command

    command.upgrade(_config(connection), revision)


def downgrade(connection: Connection, revision: str) -> None:
    """Take back what is newer than `revision` ("base": everything), in the transaction of `connection`."""
    from alembic import command

    command.downgrade(_config(connection), revision)


def find_scripts() -> Path:
    """The folder of the migrations: packaged in a wheel, at the top of a checkout.

    Raises:
        ConfigError: The installation has neither.
    """
    package = Path(str(files("ticketctl")))
    for folder in (package / "postgres" / "_migrations", package.parent / "alembic"):
        if (folder / "env.py").is_file():
            return folder
    raise ConfigError("this installation has no migrations", hint="install ticketctl again")


def _config(connection: Connection) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(find_scripts()))
    config.attributes["connection"] = connection
    return config
