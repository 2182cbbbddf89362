import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine

from ticketctl.postgres import migrations
from ticketctl.postgres.address import Address
from ticketctl.postgres.engine import make_engine
from ticketctl.postgres.revision import REVISION
from ticketctl.postgres.schema import metadata
from ticketctl.settings import Settings


@pytest.fixture
def engine(empty_database_url: str) -> AsyncEngine:
    return make_engine(Address.parse(empty_database_url), Settings(), autocommit=False)


def differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_server_default": True})
    return compare_metadata(context, metadata)


def check_constraints(connection: Connection) -> dict[str, str]:
    """What Alembic does not compare."""
    rows = connection.execute(
        text(
            "select conrelid::regclass || '.' || conname, pg_get_constraintdef(oid) from pg_constraint "
            "where contype in ('c', 'f') and connamespace = 'public'::regnamespace"
        )
    )
    return dict(tuple(row) for row in rows)


async def test_migrations_and_schema_agree(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(migrations.upgrade)
        assert await connection.run_sync(differences) == []
        migrated = await connection.run_sync(check_constraints)
        await connection.run_sync(metadata.drop_all)
        await connection.run_sync(metadata.create_all)
        assert await connection.run_sync(check_constraints) == migrated


async def test_a_difference_would_be_seen(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(migrations.upgrade)
        await connection.execute(text("alter table tickets drop column team"))
        assert await connection.run_sync(differences) != []


async def test_downgrade_leaves_nothing_and_upgrade_works_again(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(migrations.upgrade)
        await connection.run_sync(migrations.downgrade, "base")
        left = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
        assert left == ["alembic_version"]
        await connection.run_sync(migrations.upgrade)
        assert await migrations.get_revision(connection) == REVISION


async def test_the_program_knows_the_newest_revision() -> None:
    config = Config()
    config.set_main_option("script_location", str(migrations.find_scripts()))
    assert ScriptDirectory.from_config(config).get_heads() == [REVISION]
