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
from ticketctl.runtime import Database, get_revision, open_store
from ticketctl.settings import Settings
from ticketctl.tickets import service
from ticketctl.tickets.filters import TicketFilter


@pytest.fixture
def engine(empty_database_url: str) -> AsyncEngine:
    return make_engine(Address.parse(empty_database_url), Settings(), autocommit=False)


def differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_server_default": True})
    return compare_metadata(context, metadata)


def check_constraints(connection: Connection) -> dict[str, str]:
    """Return the check and foreign key constraints, which Alembic does not compare."""
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


async def test_the_comparison_finds_a_missing_column(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(migrations.upgrade)
        await connection.execute(text("alter table tickets drop column team"))
        assert await connection.run_sync(differences) != []


async def test_downgrade_to_base_drops_every_table_and_upgrade_creates_them_again(
    engine: AsyncEngine,
) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(migrations.upgrade)
        await connection.run_sync(migrations.downgrade, "base")
        tables = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
        assert tables == ["alembic_version"]
        await connection.run_sync(migrations.upgrade)
        assert await migrations.get_revision(connection) == REVISION


CONTENT = """
insert into tickets (subject, body, requester, status, category, set_by_human, extracted, draft, error, attempt,
  lease_token, lease_until, idempotency_key, processed_at)
values ('Refund', 'Please.', 'ada@example.com', 'processing', 'billing', '["team"]', '[{"kind": "order"}]', 'Dear Ada',
  'timed out', 2, gen_random_uuid(), now(), 'key', now());
insert into steps (ticket_id, step, output, provider, model, prompt_hash, sent)
select id, 'classify', '{"category": "billing"}', 'openai', 'gpt', 'abc', 'Refund' from tickets;
insert into attempts (ticket_id, attempt, ended_at, outcome, error, message_id, receive_count, environment_id)
select id, 1, now(), 'failed', 'timed out', 'm', 1, 'e' from tickets;
insert into messages (ticket_id, body, receive_count, dead_at, last_error)
select id, '{"ticket_id": 1}', 5, now(), 'timed out' from tickets;
insert into messages (ticket_id, body) select id, '{"ticket_id": 1}' from tickets
"""


def read_rows(connection: Connection) -> dict[str, list[dict[str, object]]]:
    """Return every row of our tables in a stable order, without columns that are null."""
    return {
        table: list(
            connection.scalars(
                text(f"select jsonb_strip_nulls(to_jsonb(t)) from {table} t order by to_jsonb(t)->>'{key}'")  # noqa: S608 - constants
            )
        )
        for table, key in (
            ("tickets", "id"),
            ("steps", "step"),
            ("attempts", "attempt"),
            ("messages", "message_id"),
        )
    }


def contain(rows: dict[str, list[dict[str, object]]], content: dict[str, list[dict[str, object]]]) -> bool:
    """Return whether every table has its original rows; a newer revision may have more columns."""
    return all(
        old.items() <= new.items()
        for table in content
        for old, new in zip(content[table], rows[table], strict=True)
    )


def insert_content(connection: Connection) -> None:
    for statement in CONTENT.split(";"):
        connection.execute(text(statement))


async def test_upgrade_and_downgrade_between_any_two_revisions_keep_every_row(engine: AsyncEngine) -> None:
    revisions = [
        script.revision for script in ScriptDirectory(str(migrations.find_scripts())).walk_revisions()
    ]
    oldest, newest = revisions[-1], revisions[0]
    async with engine.begin() as connection:
        await connection.run_sync(migrations.upgrade, oldest)
        await connection.run_sync(insert_content)
        rows = await connection.run_sync(read_rows)
        assert all(rows.values())
        for revision in reversed(revisions[:-1]):
            await connection.run_sync(migrations.upgrade, revision)
            assert contain(await connection.run_sync(read_rows), rows)
        for revision in revisions[1:]:
            await connection.run_sync(migrations.downgrade, revision)
            assert contain(await connection.run_sync(read_rows), rows)
        await connection.run_sync(migrations.upgrade, newest)
        assert contain(await connection.run_sync(read_rows), rows)
        assert await connection.run_sync(differences) == []


async def test_each_downgrade_restores_the_schema_of_the_revision_before(engine: AsyncEngine) -> None:
    revisions = [
        script.revision for script in ScriptDirectory(str(migrations.find_scripts())).walk_revisions()
    ]
    async with engine.begin() as connection:
        schemas = {}
        for revision in reversed(revisions):
            await connection.run_sync(migrations.upgrade, revision)
            schemas[revision] = await connection.run_sync(read_schema)
        for revision in revisions[1:]:
            await connection.run_sync(migrations.downgrade, revision)
            assert await connection.run_sync(read_schema) == schemas[revision]


async def test_the_embedded_database_of_the_first_release_is_upgraded_when_a_command_uses_it(
    engine: AsyncEngine, empty_database_url: str
) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(migrations.upgrade, "0001")
        await connection.run_sync(insert_content)
    database = Database(Settings(database_url=empty_database_url), embedded=True)
    async with open_store(database) as store:
        page = await service.list_tickets(store, TicketFilter(search="ada refund"))
    assert [ticket.subject for ticket in page.tickets] == ["Refund"]
    assert await get_revision(database) == REVISION


def read_schema(connection: Connection) -> dict[str, set[str]]:
    """Return the columns and the index definitions of every table."""
    columns = connection.execute(
        text(
            "select table_name, column_name || ' ' || data_type || ' ' || is_nullable || coalesce(column_default, '') "
            "from information_schema.columns where table_schema = 'public'"
        )
    )
    indexes = connection.execute(
        text("select tablename, indexdef from pg_indexes where schemaname = 'public'")
    )
    schema: dict[str, set[str]] = {}
    for table, definition in (*columns, *indexes):
        schema.setdefault(table, set()).add(definition)
    return schema


async def test_the_revision_constant_is_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(migrations.find_scripts()))
    assert ScriptDirectory.from_config(config).get_heads() == [REVISION]
