"""The composition root: the only module that chooses adapters. It combines them as the settings say."""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import uuid4

from ticketctl.errors import ConfigError
from ticketctl.event_loops import get_loop_policy
from ticketctl.postgres import migrations
from ticketctl.postgres.address import Address
from ticketctl.postgres.engine import Engines
from ticketctl.postgres.error_mapping import ErrorMappingConnections, map_database_errors
from ticketctl.postgres.pools import POOLS, get_pool
from ticketctl.postgres.revision import REVISION
from ticketctl.postgres.store import PostgresStore
from ticketctl.processing.deadline import require_time_to_start
from ticketctl.processing.pipeline import Pipeline
from ticketctl.settings import Settings
from ticketctl.telemetry.metrics import LEFTOVERS
from ticketctl.telemetry.protocols import OFF, Telemetry
from ticketctl.telemetry.selection import open_telemetry
from ticketctl.tickets.protocols import TicketStore

if TYPE_CHECKING:
    from ticketctl.ai.budget import Budget
    from ticketctl.ai.providers.account_status import AccountStatus
    from ticketctl.postgres.credentials import Credentials
    from ticketctl.postgres.embedded import EmbeddedServer
    from ticketctl.queues.sqs import SqsQueue
    from ticketctl.tickets.operator_resources import OperatorResources
    from ticketctl.tickets.review import ReviewService

OpenPipeline = Callable[[], AbstractAsyncContextManager[Pipeline]]
"""Opens the pipeline of one event loop, with everything that is bound to the loop, and closes it."""


def get_address(settings: Settings) -> Address:
    """Return the address of the database that the settings name. Raise ConfigError."""
    if settings.database_url is None:
        raise ConfigError(
            "no database is configured",
            hint="set TICKETCTL_DATABASE_URL to a postgresql:// URL; ticketctl db url prints a local one",
        )
    return Address.parse(settings.database_url)


def make_telemetry(environment_id: str | None = None) -> Telemetry:
    """Return the telemetry of this process, as its OTEL_ variables say; without them it is off."""
    return open_telemetry(os.environ, environment_id or str(uuid4()))


def resources(
    settings: Settings,
    budget: "Budget | None" = None,
    account: "AccountStatus | None" = None,
    telemetry: Telemetry = OFF,
) -> OpenPipeline:
    """Return a context manager that opens a worker's pipeline; enter it once per event loop.

    The objects that are not bound to a loop (the engine's settings, the taxonomy) are made here, once.

    Raises:
        ConfigError: A setting or the taxonomy is wrong, or the timeouts leave no time for work.
        ProviderError: The budget has a limit, but a model has no price.
    """
    from ticketctl.ai.providers.factory import ProviderFactory, load_taxonomy

    require_time_to_start(settings)
    one_loop = get_loop_policy(settings.loop).persistent
    address, pool = get_address(settings), get_pool(settings.pool)
    engines = Engines(address, pool, settings, one_loop=one_loop, telemetry=telemetry)
    taxonomy = load_taxonomy(settings)
    providers = ProviderFactory(settings, taxonomy, budget=budget, account=account, telemetry=telemetry)
    providers.require_prices()

    @asynccontextmanager
    async def open_pipeline() -> AsyncIterator[Pipeline]:
        async with engines.open_connections() as connections, providers.open_provider() as provider:
            store = PostgresStore(connections)
            yield Pipeline(store=store, provider=provider, router=taxonomy, telemetry=telemetry)
        if engines.held:
            telemetry.record(LEFTOVERS, engines.held)

    return open_pipeline


@dataclass(frozen=True, slots=True)
class Database:
    """A running database: settings that name it, and whether it is the embedded one."""

    settings: Settings
    embedded: bool


@contextmanager
def open_database(settings: Settings) -> Iterator[Database]:
    """Yield the database that the settings name, or else the embedded server, started for as long as needed.

    Raises:
        ConfigError: No database is configured, and the embedded server is not installed.
        DatabaseError: The embedded server does not start.
    """
    if settings.database_url is not None:
        yield Database(settings, embedded=False)
        return
    with embedded_server(settings).use() as url:
        yield Database(replace(settings, database_url=url), embedded=True)


def embedded_server(settings: Settings) -> "EmbeddedServer":
    """Return the embedded server, not started yet. Raise ConfigError if it is not installed."""
    from ticketctl.postgres.embedded import EmbeddedServer

    return EmbeddedServer(settings.home_folder)


@asynccontextmanager
async def open_store(database: Database) -> AsyncIterator[TicketStore]:
    """Open a store for one command and check its tables. Every database failure is raised as a DatabaseError.

    Raises:
        StaleSchemaError: The tables have another version, and the database is not the embedded one, which migrates.
    """
    async with open_connections(database.settings) as connections:
        await _bring_up_to_date(connections, database)
        yield PostgresStore(connections)


@asynccontextmanager
async def open_operator_resources(database: Database) -> AsyncIterator["OperatorResources"]:
    """Open the resources of operator commands and check the tables. Raise as `open_store`, and ConfigError."""
    settings, address = database.settings, get_address(database.settings)
    telemetry = make_telemetry()
    engines = Engines(address, POOLS["dispose"], settings, telemetry=telemetry)
    with telemetry.keep_flushing():
        async with engines.open_connections() as connections:
            mapped = ErrorMappingConnections(connections, address)
            await _bring_up_to_date(mapped, database)
            yield _operator_resources(mapped, settings, _sqs(settings, telemetry))


def api_resources(
    settings: Settings, *, one_loop: bool, pool: str | None = None, telemetry: Telemetry = OFF
) -> "Callable[[], AbstractAsyncContextManager[OperatorResources]]":
    """Return a context manager that opens the API's resources; it does not check the tables.

    With `one_loop` it is entered once per process. Otherwise it may be entered for every request, and the pool
    (`pool`, or that of the settings) decides which connections stay open in between.

    Raises:
        ConfigError: A setting is wrong.
    """
    address, elsewhere = get_address(settings), _sqs(settings, telemetry)
    strategy = get_pool(pool or settings.pool)
    engines = Engines(address, strategy, settings, one_loop=one_loop, telemetry=telemetry)

    @asynccontextmanager
    async def open_resources() -> AsyncIterator["OperatorResources"]:
        async with engines.open_connections() as connections:
            yield _operator_resources(ErrorMappingConnections(connections, address), settings, elsewhere)

    return open_resources


def _operator_resources(
    connections: ErrorMappingConnections, settings: Settings, elsewhere: "SqsQueue | None"
) -> "OperatorResources":
    from ticketctl.postgres.decisions import PostgresDecisions
    from ticketctl.postgres.imports import PostgresImports
    from ticketctl.postgres.operations import PostgresOperations
    from ticketctl.postgres.outbox import PostgresOutbox
    from ticketctl.postgres.replies import PostgresReplies
    from ticketctl.queues.embedded import PostgresQueue
    from ticketctl.tickets.operator_resources import OperatorResources

    store, decisions = PostgresStore(connections), PostgresDecisions(connections)

    def make_reviews() -> "ReviewService":
        from ticketctl.ai.review_service import make_review_service

        return make_review_service(store, decisions, settings)

    return OperatorResources(
        store=store,
        operations=PostgresOperations(connections),
        outbox=PostgresOutbox(connections),
        queue=elsewhere or PostgresQueue(connections, settings),
        sender=elsewhere,
        decisions=decisions,
        imports=PostgresImports(connections),
        replies=PostgresReplies(connections),
        telemetry=connections.telemetry,
        make_reviews=make_reviews,
    )


def _sqs(settings: Settings, telemetry: Telemetry) -> "SqsQueue | None":
    if settings.queue_url is None:
        return None
    from ticketctl.queues.sqs import SqsQueue

    return SqsQueue(settings.queue_url, settings, telemetry)


@asynccontextmanager
async def open_review_service(database: Database) -> AsyncIterator["ReviewService"]:
    """Open the service for reviewers. Raise as `open_store`, and ConfigError for a wrong taxonomy.

    The service survives a database that goes away: each call raises DatabaseError until it is back.
    """
    from ticketctl.ai.review_service import make_review_service
    from ticketctl.postgres.decisions import PostgresDecisions

    settings, address = database.settings, get_address(database.settings)
    pool = replace(POOLS["dispose"], options={"pool_pre_ping": True})  # a reviewer reads for minutes
    async with Engines(address, pool, settings).open_connections() as connections:
        mapped = ErrorMappingConnections(connections, address)
        await _bring_up_to_date(mapped, database)
        yield make_review_service(PostgresStore(mapped), PostgresDecisions(mapped), settings)


async def get_credentials(database: Database) -> "Credentials":
    """Return the current credentials of the database. Raise ConfigError or DatabaseError."""
    from ticketctl.postgres.credentials import Credentials, make_credential_cache

    address = get_address(database.settings)
    logins = make_credential_cache(address, database.settings)
    return Credentials(None, address.password or "") if logins is None else await logins.current()


async def prepare_tables(database: Database) -> None:
    """Check the tables, and migrate the embedded server. Raise as `open_store`."""
    async with open_connections(database.settings) as connections:
        await _bring_up_to_date(connections, database)


async def get_revision(database: Database) -> str | None:
    """Return the revision of the tables, None if there are none. Raise DatabaseError."""
    async with open_connections(database.settings) as connections, connections.acquire() as connection:
        return await migrations.get_revision(connection)


async def upgrade(database: Database) -> str | None:
    """Migrate the tables to this program's version and return their revision.

    Raises:
        DatabaseError: The migration failed. StaleSchemaError: The tables are newer than this program.
    """
    address = get_address(database.settings)
    revision = await get_revision(database)
    if revision is not None and revision > REVISION:
        migrations.require_current(revision, address)
    with map_database_errors(address):
        await migrations.migrate(address, database.settings)
    return await get_revision(database)


@asynccontextmanager
async def open_connections(settings: Settings) -> AsyncIterator[ErrorMappingConnections]:
    """Open one connection for one command. Every database failure is raised as a DatabaseError.

    Errors of the caller are not: a file that it cannot write is no failure of the database.
    """
    address = get_address(settings)
    async with Engines(address, POOLS["dispose"], settings).open_connections() as connections:
        yield ErrorMappingConnections(connections, address)


async def _bring_up_to_date(connections: ErrorMappingConnections, database: Database) -> None:
    address = get_address(database.settings)
    async with connections.acquire() as connection:
        revision = await migrations.get_revision(connection)
    if database.embedded and (revision is None or revision < REVISION):
        with map_database_errors(address):
            await migrations.migrate(address, database.settings)
    else:
        migrations.require_current(revision, address)
