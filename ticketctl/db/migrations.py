"""Brings a database's tables up to date with Alembic. Imported only where migrations run."""

from importlib.resources import files
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from ticketctl.errors import ConfigError


def scripts() -> Path:
    """The folder of the migrations: packaged in a wheel, at the top of a checkout.

    Raises:
        ConfigError: The installation has neither.
    """
    package = Path(str(files("ticketctl")))
    for folder in (package / "db" / "_migrations", package.parent / "alembic"):
        if (folder / "env.py").is_file():
            return folder
    raise ConfigError("this installation has no migrations", hint="install ticketctl again")


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Run what is missing up to `revision`, in one transaction of `connection`."""
    command.upgrade(_config(connection), revision)


def downgrade(connection: Connection, revision: str) -> None:
    """Take back what is newer than `revision` ("base": everything), in one transaction of `connection`."""
    command.downgrade(_config(connection), revision)


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(scripts()))
    config.attributes["connection"] = connection
    return config
