"""Scratch databases for experiments: create one, fill it with tickets, watch it from outside, drop it.

Uses asyncpg without SQLAlchemy, whose import takes longer than the experiments of one cell.
"""

import asyncio
import json
import time
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import asyncpg

from ticketctl.postgres.address import Address
from ticketctl.postgres.connect import Connector
from ticketctl.postgres.error_mapping import map_database_errors
from ticketctl.postgres.revision import REVISION
from ticketctl.settings import Settings

PREFIX = "ticketctl_simulation_"
_DISCONNECT_TIMEOUT, _POLL_INTERVAL = 5.0, 0.003
"""Seconds to wait until backends have ended, and between two checks."""
_ABANDONED_AFTER = 3600
"""Seconds after which an unused scratch database counts as left by a killed process."""

SUBJECT = "I was charged twice for order 4711"
BODY = "Please refund the second payment of 12.50 EUR."
"""The text of every ticket in a scratch database."""
_INSERT_TICKETS = """
insert into tickets (subject, body, requester)
select $2, $3, 'ada@example.com' from generate_series(1, $1) returning id
"""
# Indexes for lists: nothing here lists tickets, but every write would maintain them and every new connection load them.
# Foreign keys: nothing here deletes tickets, but each new connection would plan the checks again.
_DROP_WHAT_NOTHING_USES = """
do $$ declare index_name regclass; table_name regclass; constraint_name text;
begin
  for index_name in
    select indexrelid from pg_index join pg_class on pg_class.oid = indrelid
    where relnamespace = 'public'::regnamespace and not indisunique
  loop execute format('drop index %s', index_name); end loop;
  for table_name, constraint_name in select conrelid::regclass, conname from pg_constraint where contype = 'f'
  loop execute format('alter table %s drop constraint %I', table_name, constraint_name); end loop;
end $$
"""
TEMPLATES = "ticketctl_template_"
TEMPLATE = f"{TEMPLATES}{REVISION}_{zlib.crc32(_DROP_WHAT_NOTHING_USES.encode()):08x}"
"""The embedded server's template database for this version of the tables."""
_BACKENDS = "from pg_stat_activity where application_name = $1 and pid <> pg_backend_pid()"


_SELECT_CLAIMED = """
select coalesce(jsonb_agg(t.id), '[]')
from tickets t join attempts a on a.ticket_id = t.id and a.attempt = t.attempt
where t.id in (select cast(value as bigint) from jsonb_array_elements_text($1))
  and (t.status not in ('new', 'failed') or a.started_at < t.updated_at)
"""
"""Tickets that a worker claimed. An attempt that only the release wrote does not count: it starts when the ticket is
updated, in the same transaction."""
_BUSY_POLL_INTERVAL = 0.01
_BUSY_POLLS = 50


@dataclass(frozen=True, slots=True)
class Effects:
    """The effects of an environment on the database: tickets that it claimed, transactions that it left open."""

    claimed: frozenset[int]
    idle_in_transaction: int


class BackendMonitor:
    """Watches the server's backends of one execution environment, which its application name identifies."""

    def __init__(self, database: "ScratchDatabase", application_name: str) -> None:
        self._database = database
        self._name = application_name

    async def connections(self) -> int:
        """Count the connections that the environment holds now."""
        count: int = await self._database.fetch_value(f"select count(*) {_BACKENDS}", self._name)
        return count

    async def disconnect(self) -> None:
        """Terminate the backends and wait until they have ended."""
        await self._database.fetch_value(f"select count(pg_terminate_backend(pid)) {_BACKENDS}", self._name)
        # pg_terminate_backend's own timeout polls every 100 ms, and one backend after the other
        async with asyncio.timeout(_DISCONNECT_TIMEOUT):
            while await self.connections():  # noqa: ASYNC110 - the server sends no event to wait for
                await asyncio.sleep(_POLL_INTERVAL)

    async def effects(self, ticket_ids: Sequence[int]) -> Effects:
        """Return the effects on these tickets, after the server has executed what it was sent."""
        # a backend that received only part of a message sequence is active but waits for its client: it is not busy
        busy = (
            f"select count(*) {_BACKENDS} and state = 'active' and coalesce(wait_event, '') <> 'ClientRead'"
        )
        for _ in range(_BUSY_POLLS):
            if not await self._database.fetch_value(busy, self._name):
                break
            await asyncio.sleep(_BUSY_POLL_INTERVAL)
        claimed = json.loads(await self._database.fetch_value(_SELECT_CLAIMED, json.dumps(list(ticket_ids))))
        idle = f"select count(*) {_BACKENDS} and state like 'idle in transaction%'"
        return Effects(frozenset(claimed), await self._database.fetch_value(idle, self._name))


class ScratchDatabase:
    """An open scratch database and the connection that watches it."""

    def __init__(self, address: Address, connection: "asyncpg.Connection") -> None:
        self.address = address
        self._connection = connection
        self._lock = asyncio.Lock()

    async def make_tickets(self, number: int) -> list[int]:
        """Insert new tickets and return their ids."""
        async with self._lock:
            return [row["id"] for row in await self._connection.fetch(_INSERT_TICKETS, number, SUBJECT, BODY)]

    def monitor(self, application_name: str) -> BackendMonitor:
        """Return a monitor for the connections with this application name."""
        return BackendMonitor(self, application_name)

    async def fetch_value(self, statement: str, *parameters: object) -> Any:
        """Fetch one value; the monitors of several environments take turns on the connection."""
        async with self._lock:
            return await self._connection.fetchval(statement, *parameters)


@asynccontextmanager
async def scratch_database(
    server: Address, settings: Settings, *, ours: bool
) -> AsyncIterator[ScratchDatabase]:
    """Create a database with our tables on the server of `server`, and drop it at the end.

    `ours`: the server is the embedded one. It keeps a template database with the tables, so that the next scratch
    database is a copy, and no pooler stands in front of it.

    Raises:
        DatabaseError: The server cannot be reached, or its user may not create databases.
    """
    with map_database_errors(server):
        administration = await _connect(server, settings)
        try:
            name = f"{PREFIX}{int(time.time())}_{uuid4().hex[:8]}"
            address = server.with_database(name)
            await _drop_abandoned(administration)
            await _create(administration, address, name, settings, ours=ours)
            # a scratch database need not survive a crash
            await administration.execute(f'alter database "{name}" set synchronous_commit = off')
            try:
                connection = await _connect(address, settings, pooled=not ours)
                yield ScratchDatabase(address, connection)
                await connection.close()
            finally:
                await administration.execute(f'drop database if exists "{name}" with (force)')
        finally:
            await administration.close()


async def _create(
    administration: "asyncpg.Connection",
    address: Address,
    name: str,
    settings: Settings,
    *,
    ours: bool,
) -> None:
    if ours:
        with suppress(asyncpg.InvalidCatalogNameError):  # there is no template yet
            await administration.execute(f'create database "{name}" template "{TEMPLATE}"')
            return
    await administration.execute(f'create database "{name}"')
    from ticketctl.postgres.migrations import migrate

    await migrate(address, settings)
    connection = await _connect(address, settings)
    await connection.execute(_DROP_WHAT_NOTHING_USES)
    await connection.close()
    if ours:
        await _drop_old_templates(administration)
        # another command may have created it meanwhile
        with suppress(asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
            await administration.execute(f'create database "{TEMPLATE}" template "{name}"')


async def _drop_old_templates(administration: "asyncpg.Connection") -> None:
    for name in await _find_databases(administration, TEMPLATES):
        if name != TEMPLATE:
            with suppress(asyncpg.ObjectInUseError):  # another version copies it now
                await administration.execute(f'drop database if exists "{name}"')


async def _find_databases(administration: "asyncpg.Connection", prefix: str) -> list[str]:
    """Return the databases with this prefix that no connection uses."""
    rows = await administration.fetch(
        "select datname from pg_database d where starts_with(datname, $1) "
        "and not exists (select from pg_stat_activity a where a.datname = d.datname)",
        prefix,
    )
    return [name for (name,) in rows]


async def _drop_abandoned(administration: "asyncpg.Connection") -> None:
    """Drop old scratch databases that no connection uses: a killed process left them."""
    for name in await _find_databases(administration, PREFIX):
        created = name.removeprefix(PREFIX).partition("_")[0]
        if created.isdigit() and time.time() - int(created) > _ABANDONED_AFTER:
            await administration.execute(f'drop database if exists "{name}"')


async def _connect(address: Address, settings: Settings, *, pooled: bool = True) -> "asyncpg.Connection":
    """Connect under the laboratory's name; `pooled`: a pooler may stand in between, so leave no prepared statement."""
    connect = Connector(
        address, replace(settings, application_name=f"{settings.application_name}-laboratory")
    )
    return await connect(statement_cache_size=0) if pooled else await connect()
