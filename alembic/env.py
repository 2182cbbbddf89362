"""Run migrations over a connection that the program passes in, or over one of their own for the alembic command."""

import os
from pathlib import Path

from alembic import context
from sqlalchemy import Connection, text

from ticketctl import event_loops, settings
from ticketctl.errors import ConfigError
from ticketctl.postgres.address import Address
from ticketctl.postgres.engine import make_engine
from ticketctl.postgres.schema import metadata

LOCK = 0x7469636B
"""Key of the advisory lock with which concurrent upgrades take turns. It is released with the transaction: a session
lock would outlive it on a pooler's connection."""


def migrate(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=metadata, compare_server_default=True)
    with context.begin_transaction():
        connection.execute(text(f"select pg_advisory_xact_lock({LOCK})"))
        context.run_migrations()


async def connect_and_migrate() -> None:
    configured = settings.load(os.environ, folder=Path.cwd())
    if configured.database_url is None:
        raise ConfigError(
            "no database is named", hint="set TICKETCTL_DATABASE_URL; ticketctl db url prints one"
        )
    engine = make_engine(Address.parse(configured.database_url), configured, autocommit=False)
    async with engine.begin() as connection:
        await connection.run_sync(migrate)


if context.is_offline_mode():
    context.configure(dialect_name="postgresql", target_metadata=metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
elif (passed_in := context.config.attributes.get("connection")) is not None:
    migrate(passed_in)
else:
    event_loops.run(connect_and_migrate())
