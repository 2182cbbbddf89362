"""A scratch database for experiments: made, filled with tickets, watched from outside, dropped.

It speaks asyncpg alone: SQLAlchemy would cost more time than the experiments of one cell.
"""

import asyncio
import json
import time
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
TEMPLATE = f"ticketctl_template_{REVISION}"
_PATIENCE, _PAUSE = 5.0, 0.003
"""Seconds to wait for backends to go, and between two looks."""
_ABANDONED = 3600
"""Seconds after which an unused scratch database was left behind by a process that was killed."""

SUBJECT = "I was charged twice for order 4711"
BODY = "Please refund the second payment of 12.50 EUR."
"""What every ticket here says."""
_FILL = """
insert into tickets (subject, body, requester)
select $2, $3, 'ada@example.com' from generate_series(1, $1) returning id
"""
# every write keeps them up to date, each new connection learns of them first, and nobody lists these tickets
_DROP_WHAT_LISTS_READ = """
do $$ declare one regclass;
begin
  for one in select indexrelid from pg_index where indrelid = 'tickets'::regclass and not indisunique
  loop execute format('drop index %s', one); end loop;
end $$
"""
_BACKENDS = "from pg_stat_activity where application_name = $1 and pid <> pg_backend_pid()"


_CHANGED = """
select coalesce(jsonb_agg(t.id), '[]')
from tickets t join attempts a on a.ticket_id = t.id and a.attempt = t.attempt
where t.id in (select cast(value as bigint) from jsonb_array_elements_text($1))
  and (t.status not in ('new', 'failed') or a.started_at < t.updated_at)
"""
"""Tickets that somebody claimed, or more: a try that giving back alone wrote began when the ticket was updated."""
_BUSY_PAUSE = 0.01
_BUSY_PATIENCE = 50


@dataclass(frozen=True, slots=True)
class Effects:
    """What an environment left in the database: tickets that it claimed, and transactions that it left open."""

    claimed: frozenset[int]
    idle_in_transaction: int


class Backend:
    """What one execution environment holds on the server, told by its application name."""

    def __init__(self, watcher: "ScratchDatabase", application_name: str) -> None:
        self._watcher = watcher
        self._name = application_name

    async def connections(self) -> int:
        """How many connections the environment holds at this moment."""
        count: int = await self._watcher.value(f"select count(*) {_BACKENDS}", self._name)
        return count

    async def disconnect(self) -> None:
        """Close them all from the server's side, and wait until they are gone."""
        await self._watcher.value(f"select count(pg_terminate_backend(pid)) {_BACKENDS}", self._name)
        # pg_terminate_backend's own timeout looks every 100 ms, and at one backend after the other
        async with asyncio.timeout(_PATIENCE):
            while await self.connections():  # noqa: ASYNC110 - the server tells only who asks
                await asyncio.sleep(_PAUSE)

    async def effects(self, ticket_ids: Sequence[int]) -> Effects:
        """What became of these tickets, as soon as the server has carried out what it was sent."""
        # one that was sent a part of what belongs together counts as active, and waits for the rest
        busy = (
            f"select count(*) {_BACKENDS} and state = 'active' and coalesce(wait_event, '') <> 'ClientRead'"
        )
        for _ in range(_BUSY_PATIENCE):
            if not await self._watcher.value(busy, self._name):
                break
            await asyncio.sleep(_BUSY_PAUSE)
        claimed = json.loads(await self._watcher.value(_CHANGED, json.dumps(list(ticket_ids))))
        idle = f"select count(*) {_BACKENDS} and state like 'idle in transaction%'"
        return Effects(frozenset(claimed), await self._watcher.value(idle, self._name))


class ScratchDatabase:
    """An open scratch database."""

    def __init__(self, address: Address, connection: "asyncpg.Connection") -> None:
        self.address = address
        self._connection = connection
        self._turn = asyncio.Lock()

    async def make_tickets(self, number: int) -> list[int]:
        """Make that many new tickets, and answer their ids."""
        async with self._turn:
            return [row["id"] for row in await self._connection.fetch(_FILL, number, SUBJECT, BODY)]

    def backend(self, application_name: str) -> Backend:
        """The connections of that name."""
        return Backend(self, application_name)

    async def value(self, statement: str, *parameters: object) -> Any:
        """Ask for one value; the watchers of several environments take turns."""
        async with self._turn:
            return await self._connection.fetchval(statement, *parameters)


@asynccontextmanager
async def scratch_database(
    server: Address, settings: Settings, *, ours: bool
) -> AsyncIterator[ScratchDatabase]:
    """Make a database with our tables on the server that `server` names, and drop it at the end.

    A server that is `ours` keeps a template with the tables, so that the next one is made by copying, and nothing
    stands in front of it.

    Raises:
        DatabaseError: The server cannot be reached, or does not let its user make databases.
    """
    with map_database_errors(server):
        administration = await _connect(server, settings)
        try:
            name = f"{PREFIX}{int(time.time())}_{uuid4().hex[:8]}"
            address = server.with_database(name)
            await _drop_abandoned(administration)
            await _make(administration, address, name, settings, ours=ours)
            # what is thrown away need not reach the disk
            await administration.execute(f'alter database "{name}" set synchronous_commit = off')
            try:
                connection = await _connect(address, settings, pooled=not ours)
                yield ScratchDatabase(address, connection)
                await connection.close()
            finally:
                await administration.execute(f'drop database if exists "{name}" with (force)')
        finally:
            await administration.close()


async def _make(
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
    await connection.execute(_DROP_WHAT_LISTS_READ)
    await connection.close()
    if ours:
        # another command may have been first
        with suppress(asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
            await administration.execute(f'create database "{TEMPLATE}" template "{name}"')


async def _drop_abandoned(administration: "asyncpg.Connection") -> None:
    """Drop what a killed process left: old, and used by nobody."""
    rows = await administration.fetch(
        "select datname from pg_database d where datname like $1 "
        "and not exists (select from pg_stat_activity a where a.datname = d.datname)",
        PREFIX.replace("_", r"\_") + "%",
    )
    for (name,) in rows:
        made = name.removeprefix(PREFIX).partition("_")[0]
        if made.isdigit() and time.time() - int(made) > _ABANDONED:
            await administration.execute(f'drop database if exists "{name}"')


async def _connect(address: Address, settings: Settings, *, pooled: bool = True) -> "asyncpg.Connection":
    """Connect as the laboratory; `pooled`: a pooler may stand in between, to which no prepared statement is left."""
    connect = Connector(
        address, replace(settings, application_name=f"{settings.application_name}-laboratory")
    )
    return await connect(statement_cache_size=0) if pooled else await connect()
